# The results of all shards, put together in corpus order. The merge fails when anything is missing.


rule merge_shards:
    input:
        manifest=rules.split_corpus.output.manifest,
        split_rejected=rules.split_corpus.output.rejected,
        pipeline=rules.prepare_model.output.pipeline,
        entities=get_entities,
        documents=get_documents,
        rejected=get_rejected,
        jobs=get_jobs,
        spans=get_spans,
    output:
        **with_spans(OUT / "spans.parquet"),
        entities=OUT / "entities.parquet",
        documents=OUT / "documents.parquet",
        rejected=OUT / "rejected.parquet",
        job=JOBS / "merge_shards.json",
    log:
        LOGS / "merge_shards" / "all.log",
    benchmark:
        BENCHMARKS / "merge_shards" / "all.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("merge_shards"),
        shards=PLAN.shards,
        max_rejected=CONFIG.max_rejected,
        attributes=CONFIG.output.attributes,
        spans=CONFIG.output.spans,
    message:
        "Merging {params.shards} shards"
    script:
        "../scripts/merge_shards.py"
