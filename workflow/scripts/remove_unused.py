"""Adapter of rule remove_unused."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.typed_json import write_json
    from shardner.stages.tidy import tidy

    params = snakemake.params
    write_json(Path(snakemake.output.tidied), tidy(Path(params.work), map(Path, params.unused)))
