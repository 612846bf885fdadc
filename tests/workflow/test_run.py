"""Real runs of the workflow on small data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from making import (
    ROOT,
    TABLES,
    annotate_plainly,
    clean_environment,
    entity_rows,
    make_texts,
    run_workflow,
    snakemake_command,
    write_config,
    write_jsonl,
)
from shardner.report.performance_file import load_performance

TEXTS = [*make_texts(60), "", "Ada Lovelace in London", "Ada Lovelace in London", "<script>alert(1)</script>"]


@pytest.fixture(scope="module")
def model(tiny_pipeline: Path) -> Path:
    return tiny_pipeline


def settings(model: Path, corpus: Path, **more: Any) -> dict[str, Any]:
    return {"corpus": {"files": [str(corpus)]}, "model": {"name": str(model)}, **more}


def annotated_shards(run: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the numbers of the shards that a run of one part annotated."""
    lines = [line for line in run.stderr.splitlines() if "Annotating shard" in line]
    names = sorted(line.split("shard ")[1].split()[0] for line in lines)
    assert len({name.rpartition("/")[0] for name in names}) <= 1
    return [name.rpartition("/")[2] for name in names]


@pytest.fixture(scope="module")
def done(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with every format."""
    directory = tmp_path_factory.mktemp("run")
    corpus = write_jsonl(directory / "corpus.jsonl", TEXTS)
    corpus.write_bytes(corpus.read_bytes() + b'{"id": "bad", "text": 5}\n{"id": "d0", "text": "again"}\n')
    formats = ["parquet", "jsonl", "csv", "spacy"]
    run = run_workflow(
        directory, settings(model, corpus, shards={"count": 3}, ner={"threads": 2}, output={"formats": formats})
    )
    assert run.returncode == 0, run.stderr
    assert annotated_shards(run) == ["00000", "00001", "00002"], run.stderr
    (directory / "terminal.txt").write_text(run.stderr)
    return directory


def test_a_run_gives_the_entities_of_one_process(done: Path, model: Path) -> None:
    assert len(annotate_plainly(model, TEXTS)) > 100
    assert entity_rows(done / "results/entities.parquet") == annotate_plainly(model, TEXTS)
    assert pl.read_parquet(done / "results/documents.parquet")["id"].to_list() == [f"d{i}" for i in range(len(TEXTS))]


def test_tables_have_the_columns_of_the_contract(done: Path) -> None:
    entities = pl.read_parquet(done / "results/entities.parquet").schema
    assert list(entities.items()) == [
        ("doc", pl.Int64), ("id", pl.String), ("start", pl.Int64), ("end", pl.Int64), ("text", pl.String),
        ("label", pl.String),
    ]  # fmt: skip
    assert pl.read_parquet(done / "results/documents.parquet").schema == {
        "doc": pl.Int64, "id": pl.String, "file": pl.String, "row": pl.Int64, "chars": pl.Int64,
        "tokens": pl.Int64, "entities": pl.Int64, "windows": pl.Int64, "shard": pl.Int64,
    }  # fmt: skip
    metadata = pl.read_parquet_metadata(done / "results/entities.parquet")
    assert metadata["shardner.run"].startswith("shardner ") and "en_tiny 1.2.3" in metadata["shardner.run"]


def test_what_was_rejected_is_listed_with_place_and_reason(done: Path) -> None:
    rejected = pl.read_parquet(done / "results/rejected.parquet")
    assert rejected.columns == ["file", "row", "byte_offset", "reason", "raw"]
    assert rejected["row"].to_list() == [len(TEXTS), len(TEXTS) + 1]
    assert "duplicate id" in rejected["reason"][1] and '"text": 5' in rejected["raw"][0]


def test_further_formats_hold_the_same_entities(done: Path, model: Path) -> None:
    import spacy
    from spacy.tokens import DocBin

    entities = pl.read_parquet(done / "results/entities.parquet").with_columns(pl.col("label").cast(pl.String))
    assert pl.read_csv(done / "results/entities.csv", schema=entities.schema).equals(entities)
    lines = [json.loads(line) for line in (done / "results/documents.jsonl").read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == [f"d{i}" for i in range(len(TEXTS))]
    expected = entities.select("doc", "start", "end", "text", "label").rows()
    assert [(line["doc"], *entity.values()) for line in lines for entity in line["entities"]] == expected
    vocab = spacy.load(model).vocab
    docs = [
        doc
        for path in sorted((done / "results/documents.spacy").iterdir())
        for doc in DocBin().from_disk(path).get_docs(vocab)
    ]
    assert [doc.user_data["id"] for doc in docs] == [f"d{i}" for i in range(len(TEXTS))]
    assert [
        (doc.user_data["doc"], entity.start_char, entity.end_char, entity.text, entity.label_)
        for doc in docs
        for entity in doc.ents
    ] == expected


def test_the_terminal_ends_with_a_summary(done: Path) -> None:
    last = (done / "terminal.txt").read_text()[-2_000:]
    assert re.search(rf"in\s{len(TEXTS)}\sdocuments", last) and "results/report.html" in last


def test_a_run_is_foretold_by_its_own_rates(done: Path) -> None:
    """The forecast's rates are the sums of the jobs' records, and its first row is the run that they came from."""
    performance = load_performance(done / "results/performance.json")
    assert performance.forecast is not None
    rates, rows = performance.forecast.rates, performance.forecast.rows
    filled = [shard for shard in performance.shards if shard.chars]
    assert rates.chars == performance.headline.chars and rates.shards == len(filled) == rows[0].shards
    assert rates.work_slot_s == pytest.approx(sum(each.elapsed_s - each.start_up_s for each in filled), abs=1e-4)
    seconds = {rule.rule: rule.total_s for rule in performance.rules}
    names = [
        "prepare_model",
        "split_part",
        "number_documents",
        "merge_parts",
    ]  # numbering and merge of one part have one thread
    assert [rates.prepare_s, rates.split_s, rates.number_s, rates.merge_s] == pytest.approx(
        [seconds[name] for name in names],
        abs=1e-5,  # every figure is rounded to a millionth of a second
    )
    assert performance.forecast.modelled_s in [pytest.approx(wall.wall_s, abs=1e-4) for wall in rows[0].walls]
    assert performance.forecast.doubts  # so small a corpus tells nothing
    assert "Not to be relied on" in (done / "results/report.html").read_text("utf-8")


def test_the_report_tells_the_command_and_the_memory_asked_for(done: Path) -> None:
    command = json.loads((done / "results/provenance.json").read_text("utf-8"))["command"]
    assert command.startswith("snakemake ") and "--cores" in command
    performance = load_performance(done / "results/performance.json")
    assert performance.hardware.cores_per_host and performance.hardware.host_memory_bytes
    rules = {rule.rule: rule for rule in performance.rules}
    assert rules["annotate_shard"].requested_memory_bytes == (1_000 + 1_500 * 2) * 1_000_000
    assert rules["merge_parts"].requested_memory_bytes == 2_000_000_000
    assert all(rule.job_memory_bytes >= rule.peak_rss_bytes > 0 for rule in rules.values())


def test_provenance_names_inputs_model_and_settings(done: Path) -> None:
    run = json.loads((done / "results/provenance.json").read_text("utf-8"))
    assert run["inputs"][0]["rejected"] == 2 and len(run["inputs"][0]["sha256"]) == 64
    assert run["model"]["version"] == "1.2.3" and len(run["model"]["sha256"]) == 64
    assert run["config"]["shards"] == {"count": 3} and run["config"]["corpus"]["on_bad_record"] == "reject"
    assert {"snakemake", "spacy", "polars"} <= set(run["packages"])


def test_every_shards_metrics_add_up_to_the_figures(done: Path) -> None:
    figures = json.loads((done / "results/performance.json").read_text("utf-8"))
    assert figures["headline"]["documents"] == len(TEXTS)
    assert figures["headline"]["entities"] == pl.read_parquet(done / "results/entities.parquet").height
    jobs = [json.loads(path.read_text()) for path in (done / "results/.work/jobs/annotate_shard").glob("*/*.json")]
    assert sum(job["totals"]["documents"] for job in jobs) == len(TEXTS)
    assert {len(job["workers"]) for job in jobs} <= {1, 2}


def test_a_second_run_has_nothing_to_do_and_a_deleted_result_is_redone_alone(done: Path, tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(done), str(directory)], check=True)
    given = yaml.safe_load((done / "settings.yaml").read_text("utf-8"))
    second = run_workflow(directory, given)
    assert "Nothing to be done" in second.stderr
    assert second.stderr.rstrip().endswith("The results are complete: results/report.html")
    # other workers, batches, or devices change no entity: what is done stays done
    again = run_workflow(directory, {**given, "ner": {"threads": 1, "batch_tokens": 50, "device": "cpu"}})
    assert annotated_shards(again) == []
    [entities] = (directory / "results/.work/entities").glob("*/00001.parquet")
    entities.unlink()
    [record] = (directory / "results/.work/jobs/annotate_shard").glob("*/00002.json")
    record.unlink()
    third = run_workflow(directory, given)
    assert sorted(annotated_shards(third)) == ["00001", "00002"] and "split_part" not in third.stderr
    assert "merge_parts" in third.stderr and "report_performance" in third.stderr
    assert entity_rows(directory / "results/entities.parquet") == entity_rows(done / "results/entities.parquet")


def test_shards_and_workers_change_nothing_but_the_column_shard(model: Path, tmp_path: Path) -> None:
    texts = TEXTS[-6:]  # with nine shards, some stay empty
    corpus = write_jsonl(tmp_path / "corpus.jsonl", texts)
    expected = annotate_plainly(model, texts)
    documents = []
    for count, threads in ((2, 2), (9, 1)):
        output = {"dir": f"out-{count}"}
        given = settings(model, corpus, shards={"count": count}, ner={"threads": threads}, output=output)
        run = run_workflow(tmp_path, given, f"out-{count}/entities.parquet")
        assert run.returncode == 0, run.stderr
        assert entity_rows(tmp_path / f"out-{count}/entities.parquet") == expected
        documents.append(pl.read_parquet(tmp_path / f"out-{count}/documents.parquet").drop("shard"))
    assert all(table.equals(documents[0]) for table in documents)


def test_an_empty_corpus_gives_empty_tables_and_a_report(model: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_bytes(b"")
    run = run_workflow(tmp_path, settings(model, tmp_path / "corpus.jsonl"))
    assert run.returncode == 0, run.stderr
    assert pl.read_parquet(tmp_path / "results/entities.parquet").height == 0
    assert (tmp_path / "results/report.html").stat().st_size > 1_000


def test_names_of_files_may_hold_what_a_shell_minds(model: Path, tmp_path: Path) -> None:
    directory = tmp_path / "a 'b' & c"
    directory.mkdir()
    corpora = [write_jsonl(directory / name, TEXTS[:4]) for name in ("x [1].jsonl", "ü $HOME;.jsonl")]
    given = settings(model, corpora[0])
    given["corpus"].update(files=[str(path) for path in corpora], id=None)
    given["output"] = {"dir": "out put"}
    run = run_workflow(tmp_path, given)
    assert run.returncode == 0, run.stderr
    documents = pl.read_parquet(tmp_path / "out put/documents.parquet")
    assert documents["file"].unique(maintain_order=True).to_list() == [str(path) for path in corpora]


def test_kept_columns_take_the_type_that_their_values_allow(model: Path, tmp_path: Path) -> None:
    lines = [
        {"id": i, "text": "in London", "year": 2000 + i, "price": 1.5 * i, "paid": i > 1, "who": None} for i in range(4)
    ]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = settings(model, tmp_path / "c.jsonl", shards={"count": 2})
    given["corpus"]["keep"] = ["year", "price", "paid", "who"]
    assert run_workflow(tmp_path, given, *TABLES).returncode == 0
    documents = pl.read_parquet(tmp_path / "results/documents.parquet")
    kept = documents.select("year", "price", "paid", "who")
    assert kept.dtypes == [pl.Int64, pl.Float64, pl.Boolean, pl.String]
    assert kept.rows() == [(line["year"], line["price"], line["paid"], None) for line in lines]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"modle": {"name": "x"}}, "modle: there is no such setting; did you mean 'model'?"),
        ({"ner": {"engine": "fast"}}, "ner.engine: 'fast' is not allowed; one of auto, fused, spacy"),
        ({"corpus": {"files": ["none.jsonl"]}}, "none.jsonl"),
        ({"corpus": {"files": ["*.csv"]}}, "*.csv"),
        ({"corpus": {"files": ["corpus.jsonl"], "text": "txet"}}, "txet"),
        ({"corpus": {"files": ["{x}.jsonl"]}}, "Snakemake takes { } < > in the name of a file for wildcards"),
        ({"model": {"name": "models/none"}}, "neither a directory nor the name of a pipeline package"),
    ],
)
def test_a_wrong_setting_is_one_clear_message_before_any_work(
    model: Path, tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    write_jsonl(tmp_path / "{x}.jsonl", TEXTS[:2])
    given = {**settings(model, write_jsonl(tmp_path / "corpus.jsonl", TEXTS[:2])), **more}
    run = run_workflow(tmp_path, given)
    assert run.returncode != 0 and message in run.stderr
    assert "Traceback" not in run.stderr and not (tmp_path / "results").exists()


def test_an_error_of_a_job_is_a_message_at_the_end_and_a_traceback_in_its_log(model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", TEXTS[:3])
    corpus.write_bytes(corpus.read_bytes() + b"{broken\n")
    given = settings(model, corpus)
    given["corpus"]["on_bad_record"] = "fail"
    run = run_workflow(tmp_path, given)
    assert run.returncode != 0
    [log] = (tmp_path / "results/.work/logs/split_part").glob("*.log")
    # once, last, without a traceback; another attempt would fail in the same way, and reads nothing
    *_, message = run.stderr.rstrip().split("\n\n")
    assert message.startswith("CorpusError: ") and "malformed JSON" in message
    assert message.endswith(f"(log: {log.relative_to(tmp_path)})")
    assert run.stderr.count("malformed JSON") == 1 and "Traceback" not in run.stderr
    assert log.read_text().count("Traceback") == 1


def test_asking_for_a_gpu_that_this_version_cannot_use_says_so(model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", TEXTS[:3])
    run = run_workflow(tmp_path, settings(model, corpus, ner={"device": "gpu"}), "--retries", "0")
    assert run.returncode != 0 and "DeviceError: ner.device: gpu was asked for" in run.stderr


def test_the_gpu_resource_may_be_given_on_a_machine_without_one(model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", TEXTS[:3])
    run = run_workflow(tmp_path, settings(model, corpus), *TABLES, "--resources", "gpu=4", cores=8)
    assert run.returncode == 0, run.stderr


def test_the_workflow_can_be_a_module_of_another(model: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", TEXTS[:5])
    write_config(tmp_path, {"ner": settings(model, tmp_path / "corpus.jsonl")})
    (tmp_path / "Snakefile").write_text(
        f'configfile: "settings.yaml"\nmodule shardner:\n    snakefile: "{ROOT / "Snakefile"}"\n'
        '    config: config["ner"]\nuse rule * from shardner as ner_*\n'
        'rule count:\n    default_target: True\n    input: rules.ner_merge_parts.output.entities\n'
        '    output: "count.txt"\n    shell: "wc -c {input} > {output}"\n'
    )  # fmt: skip
    command = [sys.executable, "-m", "snakemake", "--directory", str(tmp_path), "--cores", "2"]
    run = subprocess.run(
        [*command, "--snakefile", str(tmp_path / "Snakefile")],
        capture_output=True, text=True, check=False, env=clean_environment(),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, TEXTS[:5])
    assert "entities.parquet" in (tmp_path / "count.txt").read_text()


def test_snakemakes_own_report_embeds_ours(done: Path, model: Path) -> None:
    command = snakemake_command(done, "--configfile", str(done / "settings.yaml"), "--report", "snakemake.html")
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    assert run.returncode == 0, run.stderr
    assert "Performance" in (done / "snakemake.html").read_text("utf-8")
