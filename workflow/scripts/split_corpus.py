"""Adapter of rule split_corpus."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import parse_config
    from shardner.metrics import measured_job
    from shardner.records import shard_path
    from shardner.split import split_corpus

    with measured_job(Path(snakemake.output.job), snakemake.rule):
        split_corpus(
            [Path(path) for path in snakemake.input.files],
            parse_config({"corpus": snakemake.params.corpus}).corpus,
            [shard_path(Path(snakemake.output.shards), shard) for shard in range(snakemake.params.shards)],
            Path(snakemake.output.rejected),
            Path(snakemake.output.manifest),
        )
