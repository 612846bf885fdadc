"""Corpora as people have them, through a whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from making import annotate_plainly, entity_rows, make_pipeline, make_texts, run_workflow

TEXTS = make_texts(24, seed=23)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")


def write(path: Path, *records: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


@pytest.mark.parametrize("layout", ["file", "dataset"])
def test_several_columns_of_text_in_directories_of_years(tmp_path: Path, model: Path, layout: str) -> None:
    pairs = list(zip(TEXTS[::2], TEXTS[1::2], strict=True))
    records = [{"_id": {"$oid": f"k{at}"}, "title": one, "doc": {"body": two}} for at, (one, two) in enumerate(pairs)]
    again = {"_id": {"$oid": "k0"}, "title": "again", "doc": {"body": None}}
    write(tmp_path / "news/year=2024/part-0", *records[:5])
    write(tmp_path / "news/year=2025/part-0", again, *records[5:])
    (tmp_path / "news/_SUCCESS").touch()
    given = {
        "corpus": {"files": ["news"], "text": ["title", "doc.body"], "id": "_id.$oid", "keep": ["year"]},
        "model": {"name": str(model)},
        "shards": {"count": 4},
        "output": {"layout": layout, "formats": ["parquet", "jsonl"]},
    }
    run = run_workflow(tmp_path, given)
    assert run.returncode == 0, run.stderr
    suffix = ".parquet" if layout == "file" else "/*.parquet"
    documents = pl.read_parquet(tmp_path / f"results/documents{suffix}")
    assert documents["id"].to_list() == [f"k{at // 2}" for at in range(len(TEXTS))]
    assert documents["field"].to_list() == ["title", "doc.body"] * len(pairs)
    assert documents["year"].to_list() == [2024] * 10 + [2025] * 14
    assert documents["row"].to_list() == [at // 2 for at in range(10)] + [1 + at // 2 for at in range(14)]
    rejected = pl.read_parquet(tmp_path / f"results/rejected{suffix}")
    assert rejected.select("row", "reason").rows() == [(0, "duplicate id 'k0'")]
    if layout == "file":
        assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, TEXTS)
        lines = (tmp_path / "results/documents.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line)["field"] for line in lines] == documents["field"].to_list()


def test_two_runs_with_other_labels_join_and_append_in_every_program(tmp_path: Path) -> None:
    """All numbers are signed, and labels are texts: offsets can be subtracted, and two runs put together."""
    files = []
    for seed, layout in ((0, "file"), (1, "dataset")):
        directory = tmp_path / layout
        model = make_pipeline(tmp_path / f"pipeline-{seed}", seed=seed)
        write(directory / "a.jsonl", *({"id": f"{seed}-{at}", "text": text} for at, text in enumerate(TEXTS)))
        given = {"corpus": {"files": ["a.jsonl"]}, "model": {"name": str(model)}, "output": {"layout": layout}}
        run = run_workflow(directory, {**given, "shards": {"count": 2}})
        assert run.returncode == 0, run.stderr
        files += [str(path) for path in sorted((directory / "results").rglob("entities*/*.parquet"))]
        files += [str(path) for path in (directory / "results").glob("entities.parquet")]
        for table in ("entities", "documents", "rejected"):
            for path in [*directory.glob(f"results/{table}.parquet"), *directory.glob(f"results/{table}/*.parquet")]:
                dtypes = set(pl.read_parquet_schema(path).values())
                assert dtypes <= {pl.Int64(), pl.String()}, (path, dtypes)
    tables = [pl.read_parquet(path) for path in files]
    together = pl.concat(tables)
    assert (together["start"] - together["end"]).max() < 0 and together.height
    assert pa.concat_tables([pa.parquet.read_table(path) for path in files]).num_rows == together.height
    frame = pd.concat([pd.read_parquet(path) for path in files])
    assert (frame["start"] - frame["end"]).max() < 0 and len(frame) == together.height
    assert tables[0].join(tables[1], on="label").height >= 0
    query = f'SELECT min("end" - start), max(start - "end"), count(*) FROM read_parquet({files!r})'
    shortest, longest, count = duckdb.sql(query).fetchall()[0]
    assert shortest > 0 > longest and count == together.height
    label = pa.parquet.ParquetFile(files[0]).metadata.row_group(0).column(5)
    assert label.path_in_schema == "label" and label.has_dictionary_page


@pytest.mark.parametrize("layout", ["file", "dataset"])
def test_documents_come_with_their_texts_for_other_programs(tmp_path: Path, model: Path, layout: str) -> None:
    texts = [*TEXTS, "\U0001f600 " + " ".join(TEXTS), ""]
    for name, part in (("b", texts[:9]), ("a", texts[9:20]), ("c", texts[20:])):
        records = [{"id": f"{name}{at}", "text": text, "field": "secret"} for at, text in enumerate(part)]
        write(tmp_path / f"{name}.jsonl", *records)
    given = {
        "corpus": {"files": ["b.jsonl", "a.jsonl", "c.jsonl"], "keep": ["field"]},
        "model": {"name": str(model)},
        "shards": {"count": 3},
        "windows": {"max_chars": 300},
        "output": {"layout": layout, "formats": ["jsonl", "redacted", "prodigy", "labelstudio"], "redact": "<{label}>"},
    }
    run = run_workflow(tmp_path, given)
    assert run.returncode == 0, run.stderr
    results = tmp_path / "results"

    def lines(name: str) -> list[dict[str, Any]]:
        one = {"jsonl": "documents.jsonl"}.get(name, f"{name}.jsonl")
        files = [results / one] if layout == "file" else sorted((results / name).glob("part-*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]

    suffix = ".parquet" if layout == "file" else "/*.parquet"
    entities = pl.read_parquet(results / f"entities{suffix}").partition_by("doc", as_dict=True)
    of = [
        entities[(doc,)].select("start", "end", "label", "text").to_dicts() if (doc,) in entities else []
        for doc in range(len(texts))
    ]
    documents = lines("jsonl")
    assert [line["text"] for line in documents] == texts and any(of) and not of[-1]
    assert [[{**entity} for entity in line["entities"]] for line in documents] == [
        [{"start": e["start"], "end": e["end"], "text": e["text"], "label": e["label"]} for e in each] for each in of
    ]
    for line, text, found in zip(lines("redacted"), texts, of, strict=True):
        expected = text
        for entity in reversed(found):
            expected = expected[: entity["start"]] + f"<{entity['label']}>" + expected[entity["end"] :]
        assert line == {"doc": line["doc"], "id": line["id"], "text": expected}
    for line, text, found in zip(lines("prodigy"), texts, of, strict=True):
        assert line["text"] == text and line["meta"]["id"] and set(line) == {"text", "spans", "meta"}
        assert line["spans"] == [{"start": e["start"], "end": e["end"], "label": e["label"]} for e in found]
    files = [results / "labelstudio.json"] if layout == "file" else sorted((results / "labelstudio").glob("*.json"))
    tasks = [task for path in files for task in json.loads(path.read_text("utf-8"))]
    assert [task["data"]["text"] for task in tasks] == texts
    for task, text in zip(tasks, texts, strict=True):
        for region in task["predictions"][0]["result"]:
            value = region["value"]
            assert text[value["start"] : value["end"]] == value["text"] and region["type"] == "labels"
    again = run_workflow(
        tmp_path, {**given, "output": {"layout": layout, "formats": ["redacted"], "redact": "<{label}>"}}
    )
    assert again.returncode == 0, again.stderr
