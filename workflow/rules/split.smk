# The corpus: read once, numbered, and cut into shards.


rule make_demo_corpus:
    output:
        corpus=DEMO / "corpus.jsonl",
        gold=DEMO / "gold.parquet",
    log:
        "resources/demo/logs/make_demo_corpus.log",
    benchmark:
        "resources/demo/benchmarks/make_demo_corpus.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(1_000),
        runtime=growing(60),
    params:
        code=fingerprint("make_demo_corpus"),
    message:
        "Generating the demo's corpus"
    script:
        "../scripts/make_demo_corpus.py"


rule split_corpus:
    input:
        files=FILES,
    output:
        shards=directory(WORK / "shards"),
        rejected=WORK / "split" / "rejected.parquet",
        manifest=WORK / "split" / "manifest.json",
        job=JOBS / "split_corpus.json",
    log:
        LOGS / "split_corpus" / "all.log",
    benchmark:
        BENCHMARKS / "split_corpus" / "all.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("split_corpus"),
        corpus=SETTINGS["corpus"],
        windows=SETTINGS["windows"],
        shards=PLAN.shards,
    message:
        "Splitting the corpus into {params.shards} shards"
    script:
        "../scripts/split_corpus.py"
