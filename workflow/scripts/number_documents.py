"""Adapter of rule number_documents."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.config import read_config
    from shardner.data.job_recording import measured_job
    from shardner.stages.number_documents import number_documents
    from shardner.stages.stretches import read_parts

    given, params, results = snakemake.input, snakemake.params, snakemake.output
    threads, mem_mb = snakemake.threads, snakemake.resources.get("mem_mb")
    with measured_job(Path(results.job), snakemake.rule, threads=threads, mem_mb=mem_mb):
        number_documents(
            None if params.files is None else [Path(path) for path in params.files],
            read_parts(given.manifests, given.drawn, given.shards),
            read_config({"corpus": dict(params.corpus)}).corpus,
            manifest=Path(results.manifest),
            duplicates=Path(results.duplicates),
            drawn=Path(results.drawn),
            rejected=[Path(path) for path in given.rejected],
            max_rejected=params.max_rejected,
            threads=threads,
        )
