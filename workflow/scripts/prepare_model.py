"""Adapter of rule prepare_model."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.data.job_recording import measured_job
    from shardner.model.components import Request
    from shardner.model.pipeline import prepare_pipeline, write_pipeline
    from shardner.parse.pipeline_identity import write_prepared
    from shardner.parse.pipeline_source import classify, code_files

    params, trained, model = snakemake.params, snakemake.input.trained, read_config(snakemake.config).model
    source, code, unpacked = (
        classify(params.name or model.name),
        code_files(model.code),
        Path(snakemake.output.unpacked),
    )
    trained = Path(trained[0]) if trained else None
    asked = {
        "request": Request(tuple(params.attributes), tuple(params.spans)),
        "mixed_precision": params.mixed_precision,
    }
    with measured_job(Path(snakemake.output.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")):
        pipeline = prepare_pipeline(source, trained, unpacked, params.components, code=code, **asked)
        write_pipeline(Path(snakemake.output.pipeline), pipeline)
        write_prepared(Path(params.prepared), source, code, params.key)
