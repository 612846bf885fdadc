"""Adapter of rule verify_shard."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.data.manifest import read_manifest
    from shardner.data.tables import corpus_table
    from shardner.data.typed_json import write_json
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.document_rows import CorpusTexts
    from shardner.stages.verify.shard import verify_shard

    given = snakemake.input
    corpus = CorpusTexts(Path(snakemake.params.shards), read_manifest(Path(given.manifest)), Path(given.duplicates))
    findings = verify_shard(
        int(snakemake.wildcards.shard), corpus, corpus_table(given.documents), corpus_table(given.entities),
        read_pipeline(Path(given.pipeline), read_config(snakemake.config).model), snakemake.params.share,
    )  # fmt: skip
    write_json(Path(snakemake.output.findings), findings)
