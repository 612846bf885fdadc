"""Adapter of rule export_docbin."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.export import export_shard_docbin

    given = snakemake.input
    export_shard_docbin(
        int(snakemake.wildcards.shard), Path(given.shards), Path(given.documents), Path(given.entities),
        read_pipeline(Path(given.pipeline)), Path(snakemake.output.docbin),
    )  # fmt: skip
