"""Adapter of rule predict_run."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.typed_json import read_json, write_json
    from shardner.stages.estimate.figures import SampleFigures
    from shardner.stages.estimate.prediction import predict

    params, measured = snakemake.params, read_json(Path(snakemake.input.measured), SampleFigures)
    estimate = predict(
        measured,
        parts=params.parts,
        shards=params.shards,
        splits_at_once=params.splits,
        jobs_at_once=params.jobs,
        workers=params.workers,
    )
    write_json(Path(snakemake.output.estimate), estimate)
