"""Adapter of rule export_csv."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.stages.export import export_entities_csv

    entities, target = [Path(path) for path in snakemake.input.entities], Path(snakemake.output.csv)
    export_entities_csv(entities, target, for_spreadsheets=snakemake.params.for_spreadsheets)
