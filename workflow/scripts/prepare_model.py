"""Adapter of rule prepare_model."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.job_recording import measured_job
    from shardner.model.components import Request
    from shardner.model.pipeline import prepare_pipeline, write_pipeline
    from shardner.parse.pipeline_source import classify

    params, demo, code = snakemake.params, snakemake.input.demo, list(map(Path, snakemake.input.code_files))
    source, demo, unpacked = classify(params.name), Path(demo[0]) if demo else None, Path(snakemake.output.unpacked)
    asked = {
        "request": Request(tuple(params.attributes), tuple(params.spans)),
        "mixed_precision": params.mixed_precision,
    }
    with measured_job(Path(snakemake.output.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")):
        pipeline = prepare_pipeline(source, demo, unpacked, params.components, code=code, **asked)
        write_pipeline(Path(snakemake.output.pipeline), pipeline)
