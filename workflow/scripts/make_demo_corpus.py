"""Adapter of rule make_demo_corpus."""

from pathlib import Path

from adapter import job_log

with job_log(snakemake.log[0]):
    from shardner.demo.corpus import write_demo_corpus

    write_demo_corpus(Path(snakemake.output.corpus), Path(snakemake.output.gold))
