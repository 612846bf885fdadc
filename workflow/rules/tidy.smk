# `snakemake tidy`: the directory of work holds what later runs need. What they no longer need is removed.


rule tidy:
    input:
        WORK / "tidied.json",
    message:
        "The directory of work is tidy"


rule remove_unused:
    output:
        tidied=WORK / "tidied.json",
    log:
        LOGS / "remove_unused" / "all.log",
    benchmark:
        BENCHMARKS / "remove_unused" / "all.tsv"
    localrule: True
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(60),
    params:
        code=fingerprint("remove_unused"),
        work=WORK,
        unused=get_unused,
    message:
        "Removing what the corpus no longer has from {params.work}"
    script:
        "../scripts/remove_unused.py"
