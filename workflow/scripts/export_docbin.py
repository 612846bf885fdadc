"""Adapter of rule export_docbin."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.docbin import Results, export_shard_docbin

    given, groups = snakemake.input, tuple(snakemake.params.spans)
    spans = Path(given.spans) if groups else None
    export_shard_docbin(
        int(snakemake.wildcards.shard), Path(given.shards),
        Results(Path(given.documents), Path(given.entities), spans, groups),
        read_pipeline(Path(given.pipeline)), Path(snakemake.output.docbin),
    )  # fmt: skip
