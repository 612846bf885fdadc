# Results in further formats, where `output.formats` asks for them. With `layout: dataset`, a job a part writes a file.


rule export_csv:
    input:
        entities=get_exported("entities"),
        merged=get_merged,
    output:
        csv=OUT / "{table}.csv",
    log:
        LOGS / "export_csv" / "{table}.log",
    benchmark:
        BENCHMARKS / "export_csv" / "{table}.tsv"
    wildcard_constraints:
        table=r"entities|csv/part-\d{5}",
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("export_csv"),
        for_spreadsheets=CONFIG.output.csv_for_spreadsheets,
    message:
        "Writing {output.csv}"
    script:
        "../scripts/export_csv.py"


rule export_jsonl:
    input:
        documents=get_exported("documents"),
        entities=get_exported("entities"),
        merged=get_merged,
        shards=get_shard_directories,
        manifest=rules.number_documents.output.manifest,
        duplicates=rules.number_documents.output.duplicates,
    output:
        jsonl=OUT / "{table}.jsonl",
    log:
        LOGS / "export_jsonl" / "{table}.log",
    benchmark:
        BENCHMARKS / "export_jsonl" / "{table}.tsv"
    wildcard_constraints:
        table=r"documents|jsonl/part-\d{5}",
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("export_jsonl"),
        shards=WORK / "shards",
    message:
        "Writing {output.jsonl}"
    script:
        "../scripts/export_jsonl.py"


rule export_texts:
    input:
        documents=get_exported("documents"),
        entities=get_exported("entities"),
        merged=get_merged,
        shards=get_shard_directories,
        manifest=rules.number_documents.output.manifest,
        duplicates=rules.number_documents.output.duplicates,
    output:
        texts=OUT / "{table}",
    log:
        LOGS / "export_texts" / "{table}.log",
    benchmark:
        BENCHMARKS / "export_texts" / "{table}.tsv"
    wildcard_constraints:
        table=r"(redacted|prodigy|labelstudio)(/part-\d{5})?\.jsonl?",
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("export_texts"),
        shards=WORK / "shards",
        several=bool(CONFIG.corpus.fields),
        redact=lambda wildcards: CONFIG.output.redact,  # a function, because its braces are no wildcards
    message:
        "Writing {output.texts}"
    script:
        "../scripts/export_texts.py"


rule export_docbin:
    input:
        spans=get_table("spans") if CONFIG.output.spans else [],
        merged=get_merged,
        shards=get_shards_of_part,
        manifest=rules.number_documents.output.manifest,
        duplicates=rules.number_documents.output.duplicates,
        pipeline=rules.prepare_model.output.pipeline,
        entities=get_table("entities"),
        documents=get_table("documents"),
    output:
        docbin=OUT / "documents.spacy" / "{shard}.spacy",
    log:
        LOGS / "export_docbin" / "{shard}.log",
    benchmark:
        BENCHMARKS / "export_docbin" / "{shard}.tsv"
    conda:
        GPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("export_docbin"),
        shards=WORK / "shards",
        spans=CONFIG.output.spans,
    message:
        "Writing {output.docbin}"
    script:
        "../scripts/export_docbin.py"
