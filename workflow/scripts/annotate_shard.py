"""Adapter of rule annotate_shard."""

from pathlib import Path

from adapter import job_log

# worker processes import this file again, under another name
if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        from shardner.annotate.job import annotate_shard
        from shardner.config import read_config
        from shardner.data.tables import ShardFiles, shard_path
        from shardner.model.components import Request
        from shardner.model.pipeline import read_pipeline

        shard, config = int(snakemake.wildcards.shard), read_config(snakemake.config)
        annotate_shard(
            snakemake.wildcards.part,
            shard,
            shard_path(Path(snakemake.input.shards), shard),
            read_pipeline(Path(snakemake.input.pipeline), config.model),
            config.ner,
            threads=snakemake.threads,
            gpus=snakemake.resources.gpu,
            results=ShardFiles(**{name: Path(path) for name, path in snakemake.output.items()}),
            rejects=config.corpus.on_bad_record == "reject",
            mem_mb=snakemake.resources.get("mem_mb"),
            request=Request(tuple(snakemake.params.attributes), tuple(snakemake.params.spans)),
        )
