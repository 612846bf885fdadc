"""Adapter of rule export_jsonl."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.stages.export import export_documents_jsonl

    given = snakemake.input
    documents, entities = ([Path(path) for path in paths] for paths in (given.documents, given.entities))
    export_documents_jsonl(documents, entities, Path(snakemake.output.jsonl))
