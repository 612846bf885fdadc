"""Results in many files: `layout: dataset` has a file a part, and each table reads as one, in corpus order."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.dataset
import pytest
import spacy
from making import make_texts, run_workflow, write_jsonl
from polars.testing import assert_frame_equal
from spacy.tokens import DocBin

TABLES = ("entities", "documents", "rejected", "spans")
#: So that the corpus has several parts: a speed at which shards have about 12,000 characters.
SIZES = {"shard_chars": 12_000, "part_chars": 12_000, "chars_per_s": 3_000}
TEXTS = [*make_texts(150, seed=1), " ".join(make_texts(150, seed=2))]


def start(model: Path, directory: Path, *arguments: str, **output: Any) -> subprocess.CompletedProcess[str]:
    settings = {
        "corpus": {"files": ["b.jsonl", "a.jsonl", "c.jsonl"]},
        "model": {"name": str(model)},
        "windows": {"max_chars": 2_000},
        "output": {"formats": ["parquet", "csv", "jsonl", "spacy"], "spans": ["sc"], **output},
    }
    return run_workflow(directory, settings, *arguments)


def run(model: Path, directory: Path, *arguments: str, **output: Any) -> str:
    done = start(model, directory, *arguments, **output)
    assert done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).replace("\xa0", " ")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tiny_pipeline: Path) -> Path:
    directory = tmp_path_factory.mktemp("model") / "pipeline"
    nlp = spacy.load(tiny_pipeline)
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"}).add_patterns([{"label": "NAME", "pattern": "Ada"}])
    nlp.to_disk(directory)
    return directory


@pytest.fixture(scope="module")
def done(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, pl.DataFrame]]:
    """A finished run as a dataset; before it, in the same directory, it ran with a file a table."""
    directory = tmp_path_factory.mktemp("run")
    write_jsonl(directory / "b.jsonl", TEXTS)
    write_jsonl(directory / "a.jsonl", TEXTS[:9])  # ids that b.jsonl has: all are rejected
    (directory / "c.jsonl").write_text('{"id": "late", "text": "Ada Lovelace in London"}\n{broken\n')
    sizes = directory / "results/.work/sizes.json"
    sizes.parent.mkdir(parents=True)
    sizes.write_text(json.dumps(SIZES))
    run(model, directory)
    files = {name: pl.read_parquet(directory / f"results/{name}.parquet") for name in TABLES}
    text = run(model, directory, layout="dataset")
    assert "Annotating shard" not in text and "results/entities" in text
    return directory, files


@pytest.mark.parametrize("table", TABLES)
def test_a_table_reads_as_one_in_corpus_order(done: tuple[Path, dict[str, pl.DataFrame]], table: str) -> None:
    directory, expected = done[0] / "results" / table, done[1][table]
    assert len(list(directory.glob("part-*.parquet"))) > 3 and not directory.with_suffix(".parquet").exists()
    found = {
        "polars": pl.read_parquet(directory),
        "arrow": pl.from_arrow(pyarrow.dataset.dataset(directory).to_table()),
        "duckdb": duckdb.sql(f"select * from '{directory}/*.parquet'").pl(),
    }
    for reader, rows in found.items():
        assert isinstance(rows, pl.DataFrame)
        assert_frame_equal(rows, expected), reader
    assert expected.height > 1


def test_exports_have_a_file_a_part_too(done: tuple[Path, dict[str, pl.DataFrame]]) -> None:
    directory, tables = done
    results = directory / "results"
    rows = pl.concat([pl.read_csv(path, schema=tables["entities"].schema) for path in sorted(results.glob("csv/*"))])
    assert_frame_equal(rows, tables["entities"])
    lines = [json.loads(line) for path in sorted(results.glob("jsonl/*")) for line in path.read_text().splitlines()]
    assert [line["id"] for line in lines] == tables["documents"]["id"].to_list()
    assert sum(len(line["entities"]) for line in lines) == tables["entities"].height
    docs = [
        doc
        for path in sorted((results / "documents.spacy").iterdir())
        for doc in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    ]
    assert [doc.user_data["doc"] for doc in docs] == tables["documents"]["doc"].to_list()


def test_the_report_the_check_and_the_verification_read_all_parts(
    done: tuple[Path, dict[str, pl.DataFrame]], model: Path
) -> None:
    directory, tables = done
    figures = json.loads((directory / "results/performance.json").read_text())
    assert figures["headline"]["entities"] == tables["entities"].height
    assert figures["whole_pipeline"]["identical"] == figures["whole_pipeline"]["documents"] > 0
    assert "Ada" in (directory / "results/report.html").read_text("utf-8")
    text = run(model, directory, "verify", layout="dataset")
    figures = json.loads((directory / "results/verify.json").read_text())
    assert figures["documents"] == tables["documents"].height and figures["verified"] == figures["identical"] > 3
    assert "identical" in text


def test_fewer_parts_or_another_layout_leave_nothing_stale(
    done: tuple[Path, dict[str, pl.DataFrame]], model: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(done[0]), str(directory)], check=True)
    (directory / "b.jsonl").write_text("".join((directory / "b.jsonl").read_text().splitlines(keepends=True)[:20]))
    mine = directory / "results/entities/mine.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(mine)
    refused = start(model, directory, layout="dataset")
    assert refused.returncode != 0 and "mine.parquet is not of this run, but would be read as" in refused.stderr
    mine.unlink()
    run(model, directory, layout="dataset")
    documents = pl.read_parquet(directory / "results/documents")
    assert documents.height == 21
    assert len(list((directory / "results/entities").glob("part-0*"))) == documents["shard"].n_unique()
    pl.DataFrame({"a": [1]}).write_parquet(mine)
    run(model, directory)
    assert not (directory / "results/documents").exists() and list((directory / "results/entities").iterdir()) == [mine]
    assert pl.read_parquet(directory / "results/documents.parquet").equals(documents)
