"""Adapter of rule annotate_sample."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.manifest import read_manifest
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.whole_pipeline.sample import annotate_sample

    given = snakemake.input
    manifest, pipeline = read_manifest(Path(given.manifest)), read_pipeline(Path(given.pipeline))
    annotate_sample(Path(given.shards), manifest, pipeline, Path(snakemake.output.sample))
