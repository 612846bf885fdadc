# The corpus: parts of it are read side by side and cut into shards; then the parts are numbered.


rule make_demo_corpus:
    output:
        corpus=MADE / "corpus.jsonl",
        gold=MADE / "gold.parquet",
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
        "Generating a corpus"
    script:
        "../scripts/make_demo_corpus.py"


rule split_part:
    input:
        files=get_part_files,
    output:
        # a directory, because thousands of outputs of one job make Snakemake slow
        shards=directory(WORK / "shards" / "{part}"),
        rejected=WORK / "split" / "{part}" / "rejected.parquet",
        drawn=WORK / "split" / "{part}" / "drawn.parquet",
        manifest=WORK / "split" / "{part}" / "manifest.json",
        job=JOBS / "split_part" / "{part}.json",
    log:
        LOGS / "split_part" / "{part}.log",
    benchmark:
        BENCHMARKS / "split_part" / "{part}.tsv"
    priority: PRIORITY["split"]
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("split_part"),
        corpus=READING,
        windows=SETTINGS["windows"],
        shards=get_part_shards,
        files=get_part_paths,
        stretches=get_stretches,
        states=get_states,
    message:
        "Splitting {wildcards.part} into {params.shards} shards"
    script:
        "../scripts/split_part.py"


rule number_documents:
    input:
        manifests=get_manifests,
        drawn=get_drawn,
        rejected=get_split_rejected,
        shards=get_shard_directories,
    output:
        manifest=WORK / "split" / "manifest.json",
        duplicates=WORK / "split" / "duplicates.parquet",
        drawn=WORK / "split" / "drawn.parquet",
        job=JOBS / "number_documents.json",
    log:
        LOGS / "number_documents" / "all.log",
    benchmark:
        BENCHMARKS / "number_documents" / "all.tsv"
    priority: PRIORITY["number"]
    conda:
        CPU_ENV
    threads: get_merge_threads
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("number_documents"),
        # in corpus order; None: in the order of the only part
        files=None if PLAN.files is None else FILES,
        corpus=READING,
        max_rejected=CONFIG.max_rejected,
    message:
        "Numbering the documents"
    script:
        "../scripts/number_documents.py"


# A file that lies in several parts. Of another, the split makes the checksum.
rule sum_file:
    input:
        files=get_part_files,
    output:
        checksum=WORK / "split" / "{part}" / "checksum.json",
    log:
        LOGS / "sum_file" / "{part}.log",
    benchmark:
        BENCHMARKS / "sum_file" / "{part}.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(60),
    params:
        code=fingerprint("sum_file"),
        states=get_states,
    message:
        "Computing the checksum of {input.files}"
    script:
        "../scripts/sum_file.py"
