"""Adapter of rule write_provenance."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.data.job_files import read_annotate_jobs
    from shardner.data.manifest import read_manifest
    from shardner.data.typed_json import write_json
    from shardner.model.pipeline import read_pipeline
    from shardner.settings import fill_in
    from shardner.stages.checksums import add_checksums
    from shardner.stages.provenance import describe_run

    given = snakemake.input
    manifest = add_checksums(read_manifest(Path(given.manifest)), [Path(path) for path in given.checksums])
    pipeline = read_pipeline(Path(given.pipeline), read_config(snakemake.config).model)
    jobs = read_annotate_jobs(Path(snakemake.params.jobs), manifest)
    run = describe_run(fill_in(snakemake.config), manifest, pipeline, jobs)
    write_json(Path(snakemake.output.provenance), run)
