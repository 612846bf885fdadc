# Results in further formats, where `output.formats` asks for them.


rule export_csv:
    input:
        entities=rules.merge_shards.output.entities,
    output:
        csv=OUT / "entities.csv",
    log:
        LOGS / "export_csv" / "all.log",
    benchmark:
        BENCHMARKS / "export_csv" / "all.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("export_csv"),
    message:
        "Writing {output.csv}"
    script:
        "../scripts/export_csv.py"


rule export_jsonl:
    input:
        documents=rules.merge_shards.output.documents,
        entities=rules.merge_shards.output.entities,
    output:
        jsonl=OUT / "documents.jsonl",
    log:
        LOGS / "export_jsonl" / "all.log",
    benchmark:
        BENCHMARKS / "export_jsonl" / "all.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("export_jsonl"),
    message:
        "Writing {output.jsonl}"
    script:
        "../scripts/export_jsonl.py"


rule export_docbin:
    input:
        shards=rules.split_corpus.output.shards,
        pipeline=rules.prepare_model.output.pipeline,
        entities=rules.merge_shards.output.entities,
        documents=rules.merge_shards.output.documents,
    output:
        docbin=OUT / "documents.spacy" / "{shard}.spacy",
    log:
        LOGS / "export_docbin" / "{shard}.log",
    benchmark:
        BENCHMARKS / "export_docbin" / "{shard}.tsv"
    conda:
        CPU_ENV
    threads: 1
    resources:
        mem_mb=growing(2_000),
        runtime=growing(60),
    params:
        code=fingerprint("export_docbin"),
    message:
        "Writing {output.docbin}"
    script:
        "../scripts/export_docbin.py"
