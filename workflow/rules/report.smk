# How the result was made and where the time went.


rule write_provenance:
    input:
        manifest=rules.number_documents.output.manifest,
        checksums=get_checksums,
        pipeline=rules.prepare_model.output.pipeline,
        # only a run that was merged has a provenance; then all shards have their jobs' records, too
        entities=get_table("entities"),
        merged=get_merged,
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
        jobs=JOBS,
    message:
        "Writing {output.provenance}"
    script:
        "../scripts/write_provenance.py"


# The figures of the run before, which are kept when a run begins; they are no input, for nothing is to be made again.
LAST_PERFORMANCE = WORK / "last-performance.json"


rule report_performance:
    input:
        manifest=rules.number_documents.output.manifest,
        provenance=rules.write_provenance.output.provenance,
        duplicates=rules.number_documents.output.duplicates,
        shards=get_shard_directories,
        entities=get_table("entities"),
        merged=get_merged,
        documents=get_table("documents"),
        rejected=get_table("rejected"),
        merge_jobs=get_merge_jobs,
        other_jobs=[rules.prepare_model.output.job, rules.number_documents.output.job],
        check=rules.check_pipeline.output.check,
        gold=get_gold,
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
        shards=WORK / "shards",
        # of all parts, which were merged: thousands of inputs make Snakemake slow
        jobs=JOBS,
        last=LAST_PERFORMANCE,
    message:
        "Writing {output.html}"
    script:
        "../scripts/report_performance.py"
