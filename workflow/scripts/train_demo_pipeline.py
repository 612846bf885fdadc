"""Adapter of rule train_demo_pipeline."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.demo.train import train_demo_pipeline

    train_demo_pipeline(Path(snakemake.output.pipeline))
