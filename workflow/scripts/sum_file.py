"""Adapter of rule sum_file."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.stages.checksums import sum_file

    sum_file(Path(snakemake.input.files[0]), Path(snakemake.output.checksum))
