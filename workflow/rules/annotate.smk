# One job per shard, one device per job. The settings below `ner` change no entity, so they are not in `params`: a run
# that is resumed with other workers or batches keeps the shards that are done.


rule annotate_shard:
    input:
        # all of the part: other windows of a long document may lie in the shards beside this one
        shards=rules.split_part.output.shards,
        pipeline=rules.prepare_model.output.pipeline,
    output:
        **with_spans(WORK / "spans" / "{part}" / "{shard}.parquet"),
        entities=WORK / "entities" / "{part}" / "{shard}.parquet",
        documents=WORK / "documents" / "{part}" / "{shard}.parquet",
        rejected=WORK / "rejected" / "{part}" / "{shard}.parquet",
        job=JOBS / "annotate_shard" / "{part}" / "{shard}.json",
    log:
        LOGS / "annotate_shard" / "{part}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "annotate_shard" / "{part}" / "{shard}.tsv"
    priority: PRIORITY["annotate"]
    conda:
        GPU_ENV
    threads: get_workers
    resources:
        gpu=LIMITS.gpus_per_job,
        mem_mb=get_memory_mb,
        runtime=growing(60),
    params:
        code=fingerprint("annotate_shard"),
        attributes=CONFIG.output.attributes,
        spans=CONFIG.output.spans,
    message:
        "Annotating shard {wildcards.part}/{wildcards.shard} with {threads} workers"
    script:
        "../scripts/annotate_shard.py"
