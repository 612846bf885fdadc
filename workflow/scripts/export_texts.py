"""Adapter of rule export_texts."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.manifest import read_manifest
    from shardner.stages.document_rows import CorpusTexts
    from shardner.stages.text_exports import TextFormat, export_texts

    given, target = snakemake.input, Path(snakemake.output.texts)
    corpus = CorpusTexts(Path(snakemake.params.shards), read_manifest(Path(given.manifest)), Path(given.duplicates))
    documents, entities = ([Path(path) for path in paths] for paths in (given.documents, given.entities))
    form = TextFormat(snakemake.wildcards.table.partition("/")[0].partition(".")[0])
    params = snakemake.params
    export_texts(form, documents, entities, corpus, target, params.redact, several=params.several)
