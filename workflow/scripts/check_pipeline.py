"""Adapter of rule check_pipeline."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.tables import corpus_table
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.whole_pipeline.check import check_pipeline

    given = snakemake.input
    pipeline = read_pipeline(Path(given.pipeline))
    tables = corpus_table(given.documents), corpus_table(given.entities)
    check_pipeline(Path(given.sample), *tables, pipeline, Path(snakemake.output.check))
