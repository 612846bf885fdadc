"""Corpora as people have them, through a whole run."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
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
