"""Adapter of rule annotate_sample."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.data.manifest import read_manifest
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.document_rows import CorpusTexts
    from shardner.stages.whole_pipeline.sample import annotate_sample

    given = snakemake.input
    corpus = CorpusTexts(Path(snakemake.params.shards), read_manifest(Path(given.manifest)), Path(given.duplicates))
    pipeline = read_pipeline(Path(given.pipeline), read_config(snakemake.config).model)
    annotate_sample(corpus, Path(given.drawn), pipeline, Path(snakemake.output.sample))
