"""Adapter of rule split_part."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.corpus.files import list_sources
    from shardner.data.job_recording import measured_job
    from shardner.data.tables import shard_path
    from shardner.stages.split import PartFiles, split_part

    params, results = snakemake.params, snakemake.output
    config = read_config({"corpus": dict(params.corpus), "windows": params.windows})
    with measured_job(Path(results.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")):
        split_part(
            snakemake.wildcards.part,
            list_sources(map(Path, params.files or snakemake.input.files), params.stretches, config.corpus),
            config.corpus,
            PartFiles(
                [shard_path(Path(results.shards), shard) for shard in range(params.shards)],
                *map(Path, [results.rejected, results.drawn, results.manifest]),
            ),
            config.max_chars,
        )
