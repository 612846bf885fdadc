"""Paths that are patterns elsewhere, and kept columns with the names of columns of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from making import annotate_plainly, make_texts, run_workflow
from shardner.data.tables import find_table, read_table

TEXTS = make_texts(60, seed=31)
#: Names of columns that the stages use for themselves, or did.
KEPT = ["size", "tokens_of_all", "of_all", "said", "found", "label", "end", "key"]


@pytest.mark.parametrize("layout", ["file", "dataset"])
def test_brackets_and_stars_in_paths_and_any_kept_column(layout: str, tiny_pipeline: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run [1] * ?"
    directory.mkdir()
    kept = {name: [f"{name} {number}" for number in range(len(TEXTS))] for name in KEPT}
    table = pl.DataFrame({"id": [f"d{number}" for number in range(len(TEXTS))], "text": TEXTS, **kept})
    table.with_columns(raw=pl.lit(b"\xff")).write_parquet(directory / "p [1].parquet")
    given: dict[str, Any] = {
        "corpus": {"files": ["p [1].parquet"], "keep": [*KEPT, "raw"]},
        "model": {"name": str(tiny_pipeline)},
        "output": {"dir": "results [v2]", "layout": layout, "formats": ["parquet", "csv", "jsonl", "spacy"]},
        "shards": {"count": 3},
        "windows": {"max_chars": 300},
    }
    done = run_workflow(directory, given)
    assert done.returncode == 0, done.stderr
    results = directory / "results [v2]"
    documents, entities = (read_table(find_table(results, name)) for name in ("documents", "entities"))
    assert documents.select(KEPT).rows() == table.select(KEPT).rows()
    assert entities.select("doc", "start", "end", "text", "label").rows() == annotate_plainly(tiny_pipeline, TEXTS)
    assert len(list((results / "documents.spacy").iterdir())) == 3
    verified = run_workflow(directory, given, "verify")
    assert verified.returncode == 0, verified.stderr
