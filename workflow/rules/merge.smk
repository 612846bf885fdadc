# The results of all parts, put together in corpus order. The merge fails when anything is missing.
# With `layout: file`, one job makes one file of each table; with `layout: dataset`, a job a part makes a file of its own.


rule merge_parts:
    input:
        manifest=rules.number_documents.output.manifest,
        duplicates=rules.number_documents.output.duplicates,
        checksums=get_checksums,
        part_manifests=get_manifests,
        split_rejected=get_split_rejected,
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
        job=JOBS / "merge_parts.json",
    log:
        LOGS / "merge_parts" / "all.log",
    benchmark:
        BENCHMARKS / "merge_parts" / "all.tsv"
    conda:
        CPU_ENV
    threads: get_merge_threads
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("merge_parts"),
        shards=PLAN.shards,
        corpus=READING,
        max_rejected=CONFIG.max_rejected,
        attributes=CONFIG.output.attributes,
        spans=CONFIG.output.spans,
    message:
        "Merging {params.shards} shards"
    script:
        "../scripts/merge_parts.py"


rule merge_part:
    input:
        manifest=rules.number_documents.output.manifest,
        duplicates=rules.number_documents.output.duplicates,
        checksums=get_checksums,
        part_manifest=get_part_manifest,
        split_rejected=get_part_rejected,
        pipeline=rules.prepare_model.output.pipeline,
        entities=of_part(get_entities),
        documents=of_part(get_documents),
        rejected=of_part(get_rejected),
        jobs=of_part(get_jobs),
        spans=of_part(get_spans) if CONFIG.output.spans else [],
        all_entities=get_extension_tables,
    output:
        **with_spans(OUT / "spans" / "part-{place}.parquet"),
        entities=OUT / "entities" / "part-{place}.parquet",
        documents=OUT / "documents" / "part-{place}.parquet",
        rejected=OUT / "rejected" / "part-{place}.parquet",
        job=JOBS / "merge_part" / "{place}.json",
    log:
        LOGS / "merge_part" / "{place}.log",
    benchmark:
        BENCHMARKS / "merge_part" / "{place}.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("merge_part"),
        corpus=READING,
        attributes=CONFIG.output.attributes,
        spans=CONFIG.output.spans,
    message:
        "Merging part {wildcards.place}"
    script:
        "../scripts/merge_part.py"


rule check_dataset:
    input:
        manifest=rules.number_documents.output.manifest,
        entities=get_table("entities"),
        documents=get_table("documents"),
        rejected=get_table("rejected"),
        spans=get_table("spans") if CONFIG.output.spans else [],
    output:
        job=JOBS / "check_dataset.json",
    log:
        LOGS / "check_dataset" / "all.log",
    benchmark:
        BENCHMARKS / "check_dataset" / "all.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(1_000),
        runtime=growing(60),
    params:
        code=fingerprint("check_dataset"),
        max_rejected=CONFIG.max_rejected,
    message:
        "Checking that the tables of all parts are complete"
    script:
        "../scripts/check_dataset.py"
