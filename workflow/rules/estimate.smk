# `snakemake estimate`: what the run will take, measured with a sample that is annotated as the run would do it.


rule estimate:
    input:
        OUT / "estimate.json",
    message:
        "The run is estimated"


rule measure_sample:
    input:
        files=of_this_machine(FILES) if PLAN.files is not None else FILES,
        pipeline=rules.prepare_model.output.pipeline,
    output:
        measured=WORK / "estimate" / "measured.json",
    log:
        LOGS / "measure_sample" / "all.log",
    benchmark:
        BENCHMARKS / "measure_sample" / "all.tsv"
    conda:
        GPU_ENV
    threads: get_sample_workers
    resources:
        gpu=LIMITS.gpus_per_job,
        mem_mb=get_memory_mb,
        runtime=growing(60),
    params:
        code=fingerprint("measure_sample"),
        files=None if PLAN.files is None else FILES,
        corpus=READING,
        windows=SETTINGS["windows"],
        ner=SETTINGS["ner"],
    message:
        "Annotating a sample with {threads} workers (half a minute; longer with a slow pipeline)"
    script:
        "../scripts/measure_sample.py"


rule predict_run:
    input:
        measured=rules.measure_sample.output.measured,
    output:
        estimate=OUT / "estimate.json",
    log:
        LOGS / "predict_run" / "all.log",
    benchmark:
        BENCHMARKS / "predict_run" / "all.tsv"
    # only the main process knows how many jobs may run at once
    localrule: True
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(1_000),
        runtime=growing(60),
    params:
        code=fingerprint("predict_run"),
        parts=len(PLAN.parts),
        shards=PLAN.shards,
        splits=lambda wildcards: limits.count_splits_at_once(LIMITS),
        jobs=lambda wildcards: limits.count_jobs_at_once(LIMITS),
        workers=lambda wildcards: limits.count_local_workers(LIMITS),
    message:
        "Writing {output.estimate}"
    script:
        "../scripts/predict_run.py"
