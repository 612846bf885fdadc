"""Adapter of rule merge_part."""

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
    from shardner.stages.merge import CorpusFiles, name_run, write_part
    from shardner.stages.merge_part import gather_part

    given, params, results = snakemake.input, snakemake.params, snakemake.output
    tables = [given.entities, given.documents, given.rejected, given.jobs, given.spans]
    with measured_job(Path(results.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")) as notes:
        manifest = add_checksums(read_manifest(Path(given.manifest)), [Path(path) for path in given.checksums])
        place, rejected = int(snakemake.wildcards.place), Path(given.split_rejected)
        pipeline, duplicates = read_pipeline(Path(given.pipeline)), Path(given.duplicates)
        part = gather_part(manifest, place, Path(given.part_manifest), rejected, duplicates, tables, pipeline.sha256)
        notes.joins = write_part(
            manifest, part, name_run(manifest, pipeline),
            CorpusFiles(**{name: Path(path) for name, path in results.items() if name != "job"}),
            reject_duplicates=duplicate_rejecter(read_config({"corpus": dict(params.corpus)}).corpus),
            request=Request(tuple(params.attributes), tuple(params.spans)),
            entities=[Path(path) for path in given.all_entities],
        )  # fmt: skip
