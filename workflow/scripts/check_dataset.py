"""Adapter of rule check_dataset."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.job_recording import measured_job
    from shardner.data.manifest import read_manifest
    from shardner.stages.merge import check_dataset, remove_exports, remove_stale

    given = snakemake.input
    tables = [[Path(path) for path in each] for each in (given.documents, given.rejected, given.entities, given.spans)]
    with measured_job(Path(snakemake.output.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")):
        check_dataset(read_manifest(Path(given.manifest)), *tables[:2], snakemake.params.max_rejected)
        remove_stale([path for each in tables for path in each])
        remove_exports(tables[0][0].parents[1])
