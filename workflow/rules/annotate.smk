# One job per shard, one device per job. The settings below `ner` change no entity, so they are not in `params`: a run
# that is resumed with other workers or batches keeps the shards that are done.


rule annotate_shard:
    input:
        # a directory, because thousands of outputs of one job make Snakemake slow
        shards=rules.split_corpus.output.shards,
        pipeline=rules.prepare_model.output.pipeline,
    output:
        entities=WORK / "entities" / "{shard}.parquet",
        documents=WORK / "documents" / "{shard}.parquet",
        rejected=WORK / "rejected" / "{shard}.parquet",
        job=JOBS / "annotate_shard" / "{shard}.json",
    log:
        LOGS / "annotate_shard" / "{shard}.log",
    benchmark:
        BENCHMARKS / "annotate_shard" / "{shard}.tsv"
    conda:
        GPU_ENV
    threads: get_workers
    resources:
        gpu=LIMITS.gpus_per_job,
        mem_mb=get_memory_mb,
        runtime=growing(60),
    params:
        code=fingerprint("annotate_shard"),
    message:
        "Annotating shard {wildcards.shard} with {threads} workers"
    script:
        "../scripts/annotate_shard.py"
