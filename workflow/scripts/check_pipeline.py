"""Adapter of rule check_pipeline."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.whole_pipeline.check import check_pipeline

    given = snakemake.input
    pipeline = read_pipeline(Path(given.pipeline))
    check_pipeline(
        Path(given.sample), Path(given.documents), Path(given.entities), pipeline, Path(snakemake.output.check)
    )
