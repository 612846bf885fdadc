"""Adapter of rule add_up_findings."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.manifest import read_manifest
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.verify.findings import add_up_findings

    given = snakemake.input
    add_up_findings(
        map(Path, given.findings), read_manifest(Path(given.manifest)), read_pipeline(Path(given.pipeline)),
        snakemake.params.share, Path(snakemake.output.verification),
    )  # fmt: skip
