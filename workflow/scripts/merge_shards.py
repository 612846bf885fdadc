"""Adapter of rule merge_shards."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.job_recording import measured_job
    from shardner.data.manifest import read_manifest
    from shardner.data.tables import ShardFiles
    from shardner.model.components import Request
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.merge import CorpusFiles, merge_shards, name_run

    given, results = snakemake.input, snakemake.output
    request = Request(tuple(snakemake.params.attributes), tuple(snakemake.params.spans))
    tables = [given.entities, given.documents, given.rejected, given.jobs, *([given.spans] if given.spans else [])]
    with measured_job(Path(results.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")) as notes:
        manifest, pipeline = read_manifest(Path(given.manifest)), read_pipeline(Path(given.pipeline))
        notes.joins = merge_shards(
            manifest, [ShardFiles(*map(Path, each)) for each in zip(*tables, strict=True)], Path(given.split_rejected),
            pipeline.labels, name_run(manifest, pipeline),
            CorpusFiles(**{name: Path(path) for name, path in results.items() if name != "job"}),
            snakemake.params.max_rejected, request,
        )  # fmt: skip
