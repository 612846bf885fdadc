"""Adapter of rule annotate_shard."""

from pathlib import Path

from adapter import job_log

# workers import this file again, under another name
if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        from shardner.annotate import annotate_shard
        from shardner.config import parse_config
        from shardner.model.pipeline import read_pipeline
        from shardner.records import ShardFiles

        annotate_shard(
            int(snakemake.wildcards.shard),
            Path(snakemake.input.windows),
            read_pipeline(Path(snakemake.input.pipeline)),
            parse_config(snakemake.config).ner,
            threads=snakemake.threads,
            results=ShardFiles(*map(Path, snakemake.output)),
        )
