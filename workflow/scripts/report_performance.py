"""Adapter of rule report_performance."""

from pathlib import Path

from adapter import job_log
from shardner.report.vega import vega_started

with job_log(snakemake.log[0]), vega_started():
    from shardner.config import read_config
    from shardner.data.job_files import read_job, read_part_jobs
    from shardner.data.manifest import read_manifest
    from shardner.data.pipeline_check import PipelineCheck
    from shardner.data.provenance import Provenance
    from shardner.data.tables import corpus_table, read_table
    from shardner.data.typed_json import read_json
    from shardner.demo.score import score_entities
    from shardner.report.write import write_report
    from shardner.stages.document_rows import CorpusTexts

    given, params, results = snakemake.input, snakemake.params, snakemake.output
    manifest, provenance = read_manifest(Path(given.manifest)), read_json(Path(given.provenance), Provenance)
    tables = [corpus_table(given.entities), *given.gold]
    others = [*given.merge_jobs, *given.other_jobs]
    write_report(
        jobs=[*read_part_jobs(Path(params.jobs), manifest), *(read_job(Path(job)) for job in others)],
        manifest=manifest,
        provenance=provenance,
        check=read_json(Path(given.check), PipelineCheck),
        results=Path(results.html).parent,
        texts=CorpusTexts(Path(params.shards), manifest, Path(given.duplicates)),
        scores=score_entities(*map(read_table, tables)) if given.gold else None,
        corpus=read_config({"corpus": provenance.config["corpus"]}).corpus,
        last=Path(params.last),
        html=Path(results.html),
        performance_json=Path(results.performance),
    )
