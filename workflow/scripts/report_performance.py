"""Adapter of rule report_performance."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    import polars as pl
    from shardner.data.job_files import read_job
    from shardner.data.manifest import read_manifest
    from shardner.data.pipeline_check import PipelineCheck
    from shardner.data.provenance import Provenance
    from shardner.data.tables import shard_path
    from shardner.data.typed_json import read_json
    from shardner.demo.score import score_entities
    from shardner.report import write_report

    given, results = snakemake.input, snakemake.output
    manifest = read_manifest(Path(given.manifest))
    write_report(
        jobs=[read_job(Path(job)) for job in [*given.annotate_jobs, *given.other_jobs]],
        manifest=manifest,
        provenance=read_json(Path(given.provenance), Provenance),
        check=read_json(Path(given.check), PipelineCheck),
        results=Path(given.entities).parent,
        shard_paths=[shard_path(Path(given.shards), info.shard) for info in manifest.shards],
        scores=score_entities(*map(pl.read_parquet, [given.entities, *given.gold])) if given.gold else None,
        html=Path(results.html),
        performance_json=Path(results.performance),
    )
