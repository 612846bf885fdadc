"""Several columns of text: each gives a document of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.config import ConfigError, CorpusConfig, parse_config
from shardner.corpus import batch as bounds
from shardner.corpus.check import check_files
from shardner.corpus.read import read_corpus
from shardner.errors import CorpusError

RECORDS = [
    {"id": 1, "title": "One", "body": "First.", "k": 7},
    {"id": 2, "title": None, "body": "Second."},
    {"id": 3, "title": None},
    {"id": 4, "title": 5, "body": "Fourth."},
    {"id": 5, "title": "", "body": ["no text"]},
    {"title": "no id", "body": "at all"},
    {"id": 1, "title": "again", "body": None},
    {"id": 2, "title": "not again", "body": "again"},
]


def settings(text: Any = ("title", "body"), **changes: Any) -> CorpusConfig:
    return parse_config({"corpus": {"text": list(text), **changes}}).corpus


def read(path: Path, corpus: CorpusConfig) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    batches = list(read_corpus([path], corpus, scratch=path.parent, max_chars=1_000))
    records = pl.concat([batch.records for batch in batches]).drop("file").rows()
    return records, pl.concat([batch.rejected for batch in batches]).select("row", "byte_offset", "reason").rows()


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + "broken\n", "utf-8")
    return path


@pytest.mark.parametrize("rows", [1, 2, 3, 1_000])
def test_each_field_is_a_document_in_the_order_of_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(bounds, "BATCH_ROWS", rows)
    path = write(tmp_path / "a.jsonl", RECORDS)
    records, rejected = read(path, settings(keep=["k"]))
    assert records == [
        ("1", 0, "One", "7", "title"),
        ("1", 0, "First.", "7", "body"),
        ("2", 1, "Second.", None, "body"),
        ("4", 3, "Fourth.", None, "body"),
        ("5", 4, "", None, "title"),
        ("2", 7, "not again", None, "title"),
    ]
    lines = path.read_bytes().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    assert rejected == [
        (2, starts[2], "missing text"),
        (3, starts[3], "the text is not a string but a number (field 'title')"),
        (4, starts[4], "the text is not a string but a list (field 'body')"),
        (5, starts[5], "missing id"),
        (6, starts[6], "duplicate id '1'"),
        (7, starts[7], "duplicate id '2'"),
        (8, starts[8], "malformed JSON: Expecting value at character 0"),
    ]


def test_all_formats_with_columns_have_fields(tmp_path: Path) -> None:
    table = pl.DataFrame({"id": ["a", "b"], "title": ["One", "Two"], "body": ["1", "2"]})
    expected = [("a", 0, "One", "title"), ("a", 0, "1", "body"), ("b", 1, "Two", "title"), ("b", 1, "2", "body")]
    table.write_csv(tmp_path / "a.csv")
    table.write_parquet(tmp_path / "a.parquet")
    table.write_ipc(tmp_path / "a.arrow")
    (tmp_path / "a.json").write_text(table.write_json(), "utf-8")
    for name in ("a.csv", "a.parquet", "a.arrow", "a.json"):
        check_files([tmp_path / name], settings())
        assert read(tmp_path / name, settings()) == (expected, [])


def test_where_a_record_is_its_text_there_is_no_field(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n", "utf-8")
    assert read(tmp_path / "a.txt", settings(id=None))[0] == [("a.txt:0", 0, "one", None)]


def test_a_list_of_one_has_its_field(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", RECORDS[:1])
    assert read(path, settings(["body"]))[0] == [("1", 0, "First.", "body")]


def test_a_field_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", RECORDS)
    with pytest.raises(CorpusError) as caught:
        check_files([path], settings(["title", "bodies"]))
    assert "no column 'bodies'" in str(caught.value) and "corpus: {text: [title, body]}" in str(caught.value)
    with pytest.raises(ConfigError, match="a column 'field'"):
        settings(keep=["field"])
    with pytest.raises(ConfigError, match=r"corpus\.text"):
        settings([])


def test_a_kept_column_called_field_is_only_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"id": 1, "text": "a", "field": "x"}, {"id": 1, "text": "b", "field": "y"}])
    records, rejected = read(path, parse_config({"corpus": {"keep": ["field"]}}).corpus)
    assert records == [("1", 0, "a", "x")] and rejected[0][2] == "duplicate id '1'"


values = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=5), st.integers(0, 2))


@given(st.lists(st.fixed_dictionaries({"id": st.integers(0, 9), "a": values, "b": values, "c": values}), max_size=12))
def test_a_record_gives_the_documents_that_its_fields_give_alone(records: list[dict[str, Any]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / "a.jsonl", records)
        together, rejected = read(path, settings(["a", "b", "c"]))
        alone = {name: read(path, parse_config({"corpus": {"text": name}}).corpus) for name in "abc"}
        expected = sorted((row, "abc".index(name), text) for name in "abc" for _, row, text in alone[name][0])
        assert [(row, "abc".index(name), text) for _, row, text, name in together] == expected
        seen = {row for _, row, _, _ in together} | {row for row, _, _ in rejected}
        assert seen == set(range(len(records) + 1))
