"""Adapter of rule annotate_shard."""

from pathlib import Path

from adapter import job_log

# worker processes import this file again, under another name
if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        from shardner.annotate.job import annotate_shard
        from shardner.config import parse_config
        from shardner.data.tables import ShardFiles, shard_path
        from shardner.model.pipeline import read_pipeline

        shard = int(snakemake.wildcards.shard)
        annotate_shard(
            shard,
            shard_path(Path(snakemake.input.shards), shard),
            read_pipeline(Path(snakemake.input.pipeline)),
            parse_config(snakemake.config).ner,
            threads=snakemake.threads,
            gpus=snakemake.resources.gpu,
            results=ShardFiles(*map(Path, snakemake.output)),
            mem_mb=snakemake.resources.get("mem_mb"),
        )
