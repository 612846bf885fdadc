"""Adapter of rule prepare_model."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.job_recording import measured_job
    from shardner.model.components import Request
    from shardner.model.pipeline import prepare_pipeline, write_pipeline
    from shardner.parse.pipeline_source import classify

    params, trained, code = snakemake.params, snakemake.input.trained, list(map(Path, snakemake.input.code_files))
    source, unpacked = classify(params.name), Path(snakemake.output.unpacked)
    trained = Path(trained[0]) if trained else None
    asked = {
        "request": Request(tuple(params.attributes), tuple(params.spans)),
        "mixed_precision": params.mixed_precision,
    }
    with measured_job(Path(snakemake.output.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")):
        pipeline = prepare_pipeline(source, trained, unpacked, params.components, code=code, **asked)
        write_pipeline(Path(snakemake.output.pipeline), pipeline)
