"""Adapter of rule prepare_model."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.data.job_recording import measured_job
    from shardner.model.components import Request
    from shardner.model.pipeline import prepare_pipeline, write_pipeline
    from shardner.parse.pipeline_source import classify

    with measured_job(Path(snakemake.output.job), snakemake.rule, mem_mb=snakemake.resources.get("mem_mb")):
        demo = Path(snakemake.input.demo[0]) if snakemake.input.demo else None
        unpacked, components = Path(snakemake.output.unpacked), snakemake.params.components
        mixed = snakemake.params.mixed_precision
        request = Request(tuple(snakemake.params.attributes), tuple(snakemake.params.spans))
        pipeline = prepare_pipeline(
            classify(snakemake.params.name), demo, unpacked, components, mixed_precision=mixed, request=request
        )
        write_pipeline(Path(snakemake.output.pipeline), pipeline)
