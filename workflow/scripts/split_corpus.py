"""Adapter of rule split_corpus."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import parse_config
    from shardner.metrics import measured_job
    from shardner.split import split_corpus

    with measured_job(Path(snakemake.output.job), snakemake.rule):
        split_corpus(
            [Path(path) for path in snakemake.input.files],
            parse_config({"corpus": snakemake.params.corpus}).corpus,
            [Path(path) for path in snakemake.output.shards],
            Path(snakemake.output.rejected),
            Path(snakemake.output.manifest),
        )
