"""Adapter of rule verify_shard."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.typed_json import write_json
    from shardner.model.pipeline import read_pipeline
    from shardner.stages.verify.shard import verify_shard

    given = snakemake.input
    findings = verify_shard(
        int(snakemake.wildcards.shard), Path(given.shards), Path(given.documents), Path(given.entities),
        read_pipeline(Path(given.pipeline)), snakemake.params.share,
    )  # fmt: skip
    write_json(Path(snakemake.output.findings), findings)
