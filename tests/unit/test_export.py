"""Exports of values that a format has no form for, and of texts that a spreadsheet would run."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path

import polars as pl
import pytest
from shardner.data.tables import DOCUMENTS, ENTITIES
from shardner.stages.annotated_texts import Batch
from shardner.stages.export import export_entities_csv, lines_of


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (pl.Series([b"\xff\x00", None]), [base64.b64encode(b"\xff\x00").decode(), None]),
        (pl.Series([[b"a"], None]), [json.dumps([base64.b64encode(b"a").decode()]), None]),
        (pl.Series([{"a": b"x"}, None]), [json.dumps({"a": base64.b64encode(b"x").decode()}), None]),
        (pl.Series([datetime.date(2020, 1, 1), None]), ["2020-01-01", None]),
        (pl.Series([[1, 2], None]), [[1, 2], None]),
    ],
)
def test_kept_columns_of_any_kind_come_into_json_lines(values: pl.Series, shown: list[object], tmp_path: Path) -> None:
    documents = pl.DataFrame({"doc": [0, 1]}).with_columns(
        *(pl.lit(None, dtype).alias(name) for name, dtype in DOCUMENTS.items() if name != "doc"), values.alias("kept")
    )
    batch = Batch(documents.cast({"doc": pl.UInt64}), ["a", "b"], pl.DataFrame(schema=ENTITIES))
    lines_of(batch, ["start", "end", "text", "label"]).write_ndjson(tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [line["kept"] for line in lines] == shown
    assert [(line["text"], line["entities"]) for line in lines] == [("a", []), ("b", [])]


def test_no_text_is_a_formula_where_that_is_asked_for(tmp_path: Path) -> None:
    texts = ["=1+1", "+49 30", "-5", "@SUM(A1)", "\tx", "Jane", "a=b", "'quoted", ""]
    count = len(texts)
    pl.DataFrame(
        {"doc": range(count), "id": texts, "start": [0] * count, "end": [1] * count, "text": texts,
         "label": ["X"] * count},
        schema=ENTITIES,
    ).write_parquet(tmp_path / "entities.parquet")  # fmt: skip
    for safe in (False, True):
        export_entities_csv([tmp_path / "entities.parquet"], tmp_path / "out.csv", for_spreadsheets=safe)
        found = pl.read_csv(tmp_path / "out.csv", schema=pl.Schema(ENTITIES)).with_columns(
            pl.col(pl.String).fill_null("")
        )
        expected = [f"'{text}" if safe and text[:1] in set("=+-@\t") - {""} and text else text for text in texts]
        assert found["text"].to_list() == found["id"].to_list() == expected
