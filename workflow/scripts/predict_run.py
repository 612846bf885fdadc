"""Adapter of rule predict_run."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.stages.estimate.figures import read_measured, write_estimate
    from shardner.stages.estimate.prediction import predict

    params, measured = snakemake.params, read_measured(Path(snakemake.input.measured))
    write_estimate(Path(snakemake.output.estimate), predict(measured, params.shards, params.jobs, params.workers))
