# How the result was made and where the time went.


rule write_provenance:
    input:
        manifest=rules.split_corpus.output.manifest,
        pipeline=rules.prepare_model.output.pipeline,
        jobs=get_jobs,
        # only a run that was merged has a provenance
        entities=rules.merge_shards.output.entities,
    output:
        provenance=OUT / "provenance.json",
    log:
        LOGS / "write_provenance" / "all.log",
    benchmark:
        BENCHMARKS / "write_provenance" / "all.tsv"
    # it takes seconds, so on a cluster it runs where Snakemake does
    localrule: True
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(1_000),
        runtime=growing(60),
    params:
        code=fingerprint("write_provenance"),
    message:
        "Writing {output.provenance}"
    script:
        "../scripts/write_provenance.py"


rule report_performance:
    input:
        manifest=rules.split_corpus.output.manifest,
        provenance=rules.write_provenance.output.provenance,
        shards=rules.split_corpus.output.shards,
        entities=rules.merge_shards.output.entities,
        documents=rules.merge_shards.output.documents,
        rejected=rules.merge_shards.output.rejected,
        annotate_jobs=get_jobs,
        other_jobs=[rules.prepare_model.output.job, rules.split_corpus.output.job, rules.merge_shards.output.job],
        gold=get_demo_gold,
    output:
        html=report(
            OUT / "report.html",
            caption="../report/performance.rst",
            category="Performance",
        ),
        performance=OUT / "performance.json",
    log:
        LOGS / "report_performance" / "all.log",
    benchmark:
        BENCHMARKS / "report_performance" / "all.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("report_performance", display=True),
    message:
        "Writing {output.html}"
    script:
        "../scripts/report_performance.py"
