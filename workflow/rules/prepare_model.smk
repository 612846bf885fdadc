# The pipeline: it is found, fetched or trained, and its components are chosen.


rule train_demo_pipeline:
    output:
        pipeline=directory(MADE / "pipeline"),
    log:
        "resources/demo/logs/train_demo_pipeline.log",
    benchmark:
        "resources/demo/benchmarks/train_demo_pipeline.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("train_demo_pipeline"),
    message:
        "Training a small pipeline (under a minute; kept for the next run)"
    script:
        "../scripts/train_demo_pipeline.py"


rule prepare_model:
    input:
        trained=get_trained_pipeline,
        files=get_pipeline_files,
    output:
        pipeline=WORK / "pipeline.json",
        unpacked=directory(WORK / "pipeline"),
        job=JOBS / "prepare_model.json",
    log:
        LOGS / "prepare_model" / "all.log",
    benchmark:
        BENCHMARKS / "prepare_model" / "all.tsv"
    priority: PRIORITY["prepare"]
    localrule: prepares_here(CONFIG.model.prepare, PLAN.source)
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("prepare_model"),
        key=IDENTITY.key,
        prepared=PREPARED_FILES,  # no output, for Snakemake would remove it when the pipeline is prepared again
        packages=package_versions(PLAN.source, IDENTITY.key),
        name=get_pipeline_name,
        states=get_pipeline_states,
        components=CONFIG.model.components,
        mixed_precision=CONFIG.model.mixed_precision,
        attributes=CONFIG.output.attributes,
        spans=CONFIG.output.spans,
    message:
        f"Preparing the pipeline {literally(PLAN.source.name)}"
    script:
        "../scripts/prepare_model.py"
