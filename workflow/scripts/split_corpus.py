"""Adapter of rule split_corpus."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import parse_config
    from shardner.data.job_recording import measured_job
    from shardner.data.tables import shard_path
    from shardner.stages.split import split_corpus

    config = parse_config({"corpus": snakemake.params.corpus, "windows": snakemake.params.windows})
    with measured_job(Path(snakemake.output.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")):
        split_corpus(
            [Path(path) for path in snakemake.input.files],
            config.corpus,
            [shard_path(Path(snakemake.output.shards), shard) for shard in range(snakemake.params.shards)],
            Path(snakemake.output.rejected),
            Path(snakemake.output.manifest),
            config.max_chars,
        )
