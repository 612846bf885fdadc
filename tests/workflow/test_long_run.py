"""Long documents through the whole workflow: files in, tables, figures and report out."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from making import annotate_plainly, entity_rows, make_texts, run_workflow


@pytest.fixture(scope="module")
def model(tiny_pipeline: Path) -> Path:
    return tiny_pipeline


@pytest.mark.parametrize(("engine", "how"), [("fused", "joined exactly"), ("spacy", "joined between entities")])
def test_a_text_file_is_one_document_in_windows_of_several_shards(
    model: Path, tmp_path: Path, engine: str, how: str
) -> None:
    text = "\r\n".join(make_texts(300, seed=5))
    (tmp_path / "book.txt").write_bytes(text.encode())
    (tmp_path / "note.txt").write_bytes(b"Ada Lovelace works at Analytical Engines Ltd. in London")
    settings = {
        "corpus": {"files": ["book.txt", "note.txt"], "unit": "file"},
        "model": {"name": str(model)},
        "shards": {"count": 3},
        "windows": {"max_chars": 5_000},
        "ner": {"engine": engine},
    }
    run = run_workflow(tmp_path, settings)
    assert run.returncode == 0, run.stderr
    texts = [text, (tmp_path / "note.txt").read_text()]
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, texts)
    book, note = pl.read_parquet(tmp_path / "results/documents.parquet").iter_rows(named=True)
    assert (book["file"], book["chars"], note["windows"]) == ("book.txt", len(text), 1)
    assert book["windows"] >= len(text) // 5_000 and note["shard"] == 2 and book["shard"] == 0
    long = json.loads((tmp_path / "results/performance.json").read_text())["long_documents"]
    assert (long["documents"], long["windows"], long["unsure_joins"]) == (1, book["windows"], 0)
    assert f"1 long document in {book['windows']} windows, {how}" in " ".join(run.stderr.split())  # lines are folded
    report = (tmp_path / "results/report.html").read_text()
    assert f"cut into {book['windows']}\N{NO-BREAK SPACE}windows" in report
