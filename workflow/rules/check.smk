# The check of the whole pipeline: a sample of the corpus, annotated with no component left out, beside annotation.


rule annotate_sample:
    input:
        shards=get_shard_directories,
        manifest=rules.number_documents.output.manifest,
        duplicates=rules.number_documents.output.duplicates,
        drawn=rules.number_documents.output.drawn,
        pipeline=rules.prepare_model.output.pipeline,
    output:
        sample=WORK / "check" / "sample.parquet",
    log:
        LOGS / "annotate_sample" / "all.log",
    benchmark:
        BENCHMARKS / "annotate_sample" / "all.tsv"
    conda:
        GPU_ENV
    threads: 1
    resources:
        mem_mb=growing(3_000),
        runtime=growing(60),
    params:
        code=fingerprint("annotate_sample"),
        shards=WORK / "shards",
    message:
        "Annotating a sample with the whole pipeline"
    script:
        "../scripts/annotate_sample.py"


rule check_pipeline:
    input:
        sample=rules.annotate_sample.output.sample,
        pipeline=rules.prepare_model.output.pipeline,
        entities=get_table("entities"),
        merged=get_merged,
        documents=get_table("documents"),
    output:
        check=WORK / "check" / "pipeline.json",
    log:
        LOGS / "check_pipeline" / "all.log",
    benchmark:
        BENCHMARKS / "check_pipeline" / "all.tsv"
    # it takes seconds: on a cluster it runs where Snakemake runs
    localrule: True
    conda:
        GPU_ENV
    threads: 1
    resources:
        mem_mb=growing(3_000),
        runtime=growing(60),
    params:
        code=fingerprint("check_pipeline"),
    message:
        "Comparing the results with the whole pipeline"
    script:
        "../scripts/check_pipeline.py"
