"""Adapter of rule merge_parts."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.data.job_recording import measured_job
    from shardner.data.manifest import read_manifest
    from shardner.model.components import Request
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.checksums import add_checksums
    from shardner.stages.duplicates import duplicate_rejecter
    from shardner.stages.merge import CorpusFiles, merge_parts, name_run, remove_exports, remove_stale
    from shardner.stages.merge_part import gather_parts

    given, params, results = snakemake.input, snakemake.params, snakemake.output
    request = Request(tuple(params.attributes), tuple(params.spans))
    tables = [given.entities, given.documents, given.rejected, given.jobs, given.spans]
    threads, mem_mb = snakemake.threads, snakemake.resources.get("mem_mb")
    with measured_job(Path(results.job), snakemake.rule, threads=threads, mem_mb=mem_mb) as notes:
        manifest = add_checksums(read_manifest(Path(given.manifest)), [Path(path) for path in given.checksums])
        files = {name: Path(path) for name, path in results.items() if name != "job"}
        pipeline, of_parts = read_pipeline(Path(given.pipeline)), [given.part_manifests, given.split_rejected]
        parts = gather_parts(manifest, *of_parts, Path(given.duplicates), tables, pipeline.sha256)
        notes.joins = merge_parts(
            manifest,
            parts,
            name_run(manifest, pipeline),
            CorpusFiles(**files),
            reject_duplicates=duplicate_rejecter(read_config({"corpus": dict(params.corpus)}).corpus),
            max_rejected=params.max_rejected, request=request, threads=threads,
        )  # fmt: skip
        remove_stale(list(files.values()))
        remove_exports(Path(results.entities).parent)
