# `snakemake verify`: some documents of the finished run, annotated again by stock spaCy and compared with its results.


rule verify:
    input:
        OUT / "verify.json",
    message:
        "The results are verified"


rule verify_shard:
    input:
        # all of the part: other windows of a long document lie in the shards that follow
        shards=get_shards_of_part,
        manifest=rules.number_documents.output.manifest,
        duplicates=rules.number_documents.output.duplicates,
        pipeline=rules.prepare_model.output.pipeline,
        entities=get_table("entities"),
        merged=get_merged,
        documents=get_table("documents"),
    output:
        findings=WORK / "verify" / "{shard}.json",
    log:
        LOGS / "verify_shard" / "{shard}.log",
    benchmark:
        BENCHMARKS / "verify_shard" / "{shard}.tsv"
    conda:
        GPU_ENV
    threads: 1
    resources:
        mem_mb=growing(5_000),
        runtime=growing(60),
    params:
        code=fingerprint("verify_shard"),
        shards=WORK / "shards",
        share=CONFIG.verify_share,
    message:
        "Verifying shard {wildcards.shard}"
    script:
        "../scripts/verify_shard.py"


rule add_up_findings:
    input:
        manifest=rules.number_documents.output.manifest,
        pipeline=rules.prepare_model.output.pipeline,
        findings=get_findings,
    output:
        verification=OUT / "verify.json",
    log:
        LOGS / "add_up_findings" / "all.log",
    benchmark:
        BENCHMARKS / "add_up_findings" / "all.tsv"
    # it takes seconds, so on a cluster it runs where Snakemake does
    localrule: True
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(1_000),
        runtime=growing(60),
    params:
        code=fingerprint("add_up_findings"),
        share=CONFIG.verify_share,
    message:
        "Adding up what {output.verification} says"
    script:
        "../scripts/add_up_findings.py"
