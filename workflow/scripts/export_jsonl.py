"""Adapter of rule export_jsonl."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.manifest import read_manifest
    from shardner.stages.document_rows import CorpusTexts
    from shardner.stages.export import export_documents_jsonl

    given = snakemake.input
    corpus = CorpusTexts(Path(snakemake.params.shards), read_manifest(Path(given.manifest)), Path(given.duplicates))
    documents, entities = ([Path(path) for path in paths] for paths in (given.documents, given.entities))
    export_documents_jsonl(documents, entities, corpus, Path(snakemake.output.jsonl))
