"""Adapter of rule export_docbin."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.data.manifest import read_manifest
    from shardner.data.tables import corpus_table
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.docbin import Results, export_shard_docbin
    from shardner.stages.document_rows import CorpusTexts

    given, groups = snakemake.input, tuple(snakemake.params.spans)
    corpus = CorpusTexts(Path(snakemake.params.shards), read_manifest(Path(given.manifest)), Path(given.duplicates))
    spans = corpus_table(given.spans) if groups else None
    export_shard_docbin(
        int(snakemake.wildcards.shard), corpus,
        Results(corpus_table(given.documents), corpus_table(given.entities), spans, groups),
        read_pipeline(Path(given.pipeline), read_config(snakemake.config).model), Path(snakemake.output.docbin),
    )  # fmt: skip
