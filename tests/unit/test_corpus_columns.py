"""Columns: by path, ids of all types, and what is said where a column is not there or of a wrong type."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shardner.config import CorpusConfig, parse_config
from shardner.corpus.check import check_files
from shardner.corpus.column_paths import find_column, getter, walk
from shardner.corpus.configured_columns import nearest
from shardner.corpus.read import read_corpus
from shardner.errors import CorpusError


def settings(**changes: Any) -> CorpusConfig:
    return replace(parse_config({}).corpus, **changes)


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def read(path: Path, **changes: Any) -> tuple[pl.DataFrame, list[str]]:
    """Check and read a file; return its records, and why others are rejected."""
    corpus = settings(**changes)
    check_files([path], corpus)
    batches = list(read_corpus([path], corpus, scratch=path.parent, max_chars=1_000))
    reasons = [reason for batch in batches for reason in batch.rejected["reason"]]
    return pl.concat([batch.records for batch in batches]), reasons


def message(path: Path, **changes: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        check_files([path], settings(**changes))
    return str(caught.value)


def test_a_path_leads_into_objects_and_a_name_goes_before_it() -> None:
    record = {"a": {"b": 1, "c.d": 2, "e": None}, "a.b": 3, "f.g": {"h": 4}, "i": [1]}
    found = {path: walk(record, path) for path in ("a.b", "a.c.d", "a.e", "f.g.h", "f.g")}
    assert found == {"a.b": 3, "a.c.d": 2, "a.e": None, "f.g.h": 4, "f.g": {"h": 4}}
    for path in ("b", "a.x", "a.e.x", "i.0", ".a", "a.", "a..b", "."):
        with pytest.raises(KeyError):
            getter(path)(record)


def test_a_path_leads_into_structs_as_it_does_into_objects() -> None:
    table = pl.DataFrame({"a": [{"b": 1, "c.d": "x", "e": {"f": True}}], "a.b": [3], "g": [[1]]})
    for path, value in {"a.b": 3, "a.c.d": "x", "a.e.f": True, "a.e": {"f": True}}.items():
        found = find_column(dict(table.schema), path)
        assert found is not None
        expression, dtype = found
        column = table.select(expression.alias("it"))["it"]
        assert (column[0], column.dtype) == (value, dtype)
    assert [find_column(dict(table.schema), path) for path in ("b", "a.x", "g.0", "a.b.c")] == [None] * 4


def test_text_id_and_kept_columns_are_found_by_path(tmp_path: Path) -> None:
    records = [
        {"_id": {"$oid": "k0"}, "_source": {"body": "one", "n": 1, "tags": ["a"]}},
        {"_id": {"$oid": "k1"}, "_source": {"body": "two \U0001f600"}},
        {"_id": {"$oid": "k2"}, "_source": None},
        {"_id": "k3", "_source": {"body": "four"}},
    ]
    columns = {"text": "_source.body", "id": "_id.$oid", "keep": ("_source.n", "_source.tags")}
    lines, rejected = read(write(tmp_path / "a.jsonl", *records), **columns)
    assert lines.select("id", "text", "_source.n", "_source.tags").rows() == [
        ("k0", "one", "1", '["a"]'), ("k1", "two \U0001f600", None, None)
    ]  # fmt: skip
    assert rejected == ["missing text", "missing id"]
    (tmp_path / "b.json").write_text(json.dumps(records), "utf-8")
    array, _ = read(tmp_path / "b.json", **columns)
    assert array.drop("file").equals(lines.drop("file"))
    table = [record for record in records if isinstance(record["_id"], dict)]
    pl.DataFrame(table).write_parquet(tmp_path / "c.parquet")
    rows, rejected = read(tmp_path / "c.parquet", **columns)
    assert rows["id"].to_list() == ["k0", "k1"] and rows["_source.tags"].to_list() == [["a"], None]
    assert rejected == ["missing text"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_floats_with_whole_values_are_ids(tmp_path: Path, name: str) -> None:
    ids = [0.0, -0.0, 12.0, 2.0**53, -3.0]
    bad = [0.5, 2.0**53 + 2, 1e300]
    records = [{"id": each, "text": "a"} for each in [*ids, *bad, None]]
    path = tmp_path / name
    if name.endswith("parquet"):
        pl.DataFrame([*records, {"id": float("nan"), "text": "a"}, {"id": float("inf"), "text": "a"}]).write_parquet(
            path
        )
    else:
        write(path, *records)
    found, reasons = read(path)
    assert found["id"].to_list() == ["0", "12", "9007199254740992", "-3"]
    assert reasons[0] == "duplicate id '0'" and reasons[4] == "missing id"
    assert all(reason.endswith("which is no whole number of at most 2**53") for reason in [*reasons[1:4], *reasons[5:]])
    assert "0.5" in reasons[1]


def test_sixteen_bytes_are_a_uuid(tmp_path: Path) -> None:
    each = uuid.UUID("12345678-9abc-def0-0123-456789abcdef")
    pl.DataFrame({"id": [each.bytes, b"short", None], "text": ["a", "b", "c"]}).write_parquet(tmp_path / "a.parquet")
    found, reasons = read(tmp_path / "a.parquet")
    assert found["id"].to_list() == [str(each)]
    assert reasons == ["the id is 5 bytes, and only 16 are read, as a UUID", "missing id"]


def test_only_a_name_that_is_alike_is_called_the_nearest() -> None:
    assert nearest("text", ["Texts", "id"]) == "Texts" and nearest("Headline", ["headlines"]) == "headlines"
    assert nearest("text", ["article_id", "content"]) is None and nearest("id", ["doc_id"]) is None
    assert nearest("text", []) is None


def test_a_missing_text_is_guessed_from_the_longest_strings(tmp_path: Path) -> None:
    guess = "its longest strings are in '{}'; if that is the text, write:  corpus: {{text: {}}}"
    records = [{"article_id": "a" * 9, "meta": {"url": "u"}, "doc": {"content": "Some words."}} for _ in range(3)]
    text = message(write(tmp_path / "a.jsonl", *records))
    assert guess.format("doc.content", "doc.content") in text and "nearest" not in text
    pl.DataFrame(records).write_parquet(tmp_path / "a.parquet")
    assert guess.format("doc.content", "doc.content") in message(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("article_id,content\n1,Some words.\n", "utf-8")
    assert guess.format("content", "content") in message(tmp_path / "a.csv")


def test_a_text_of_a_wrong_type_is_refused_with_a_guess(tmp_path: Path) -> None:
    records = [{"id": number, "text": {"body": "Some words."}} for number in range(3)]
    text = message(write(tmp_path / "a.jsonl", *records))
    assert "none of the first 3 records can be read: the text is not a string but an object, such as" in text
    assert '{"body": "Some words."}' in text
    assert "corpus: {text: text.body}" in text
    pl.DataFrame(records).write_parquet(tmp_path / "a.parquet")
    assert "corpus: {text: text.body}" in message(tmp_path / "a.parquet")
    ids = write(tmp_path / "b.jsonl", *({"id": [1], "text": "a"} for _ in range(3)))
    assert "the id is neither a string nor an integer but a list" in message(ids)


def test_one_good_record_is_enough(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "text": 5}, {"id": 2, "text": None}, {"id": 3, "text": "a"})
    found, reasons = read(path)
    assert found["id"].to_list() == ["3"] and len(reasons) == 2


def test_a_header_that_is_not_told_apart_names_the_delimiter(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("id;text;note\n1;a;b\n", "utf-8")
    text = message(tmp_path / "a.tsv")
    assert "its first line is 'id;text;note', in which no '\\t' stands; write:  corpus: {delimiter: ;}" in text
    with_line, _ = read(tmp_path / "a.tsv", delimiter=";")
    assert with_line["text"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("name", "line", "delimiter"),
    [("a.tsv", "article_id,body", ","), ("a.tsv", "id;body;note", ";"), ("a.csv", "article_id#body", None)],
)
def test_a_header_of_one_field_is_never_advised_as_a_column(
    tmp_path: Path, name: str, line: str, delimiter: str | None
) -> None:
    (tmp_path / name).write_text(f"{line}\n1{delimiter or '#'}Some words of a text.\n", "utf-8")
    text = message(tmp_path / name)
    if delimiter is not None:
        assert f"delimiter: {delimiter!r}".replace("';'", ";") in text and "corpus: {text" not in text


def test_a_year_among_names_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ids,texts,2024\n1,a,b\n", "utf-8")
    text = message(tmp_path / "a.csv")
    assert "looks like data" not in text and "the nearest is 'texts'" in text


def test_what_is_suggested_for_an_id_can_be_read(tmp_path: Path) -> None:
    records = [{"_id": {"$oid": "k0"}, "text": "a"}, {"_id": {"$oid": "k1"}, "text": "b"}]
    assert "corpus: {id: _id.$oid}" in message(write(tmp_path / "a.jsonl", *records))
    pl.DataFrame(records).write_parquet(tmp_path / "a.parquet")
    assert "corpus: {id: _id.$oid}" in message(tmp_path / "a.parquet")


def test_small_floats_are_ids_as_far_as_they_are_exact(tmp_path: Path) -> None:
    ids = pl.Series([1.0, 2.0**24, 2.0**24 + 2], dtype=pl.Float32)
    pl.DataFrame({"id": ids, "text": ["a", "b", "c"]}).write_parquet(tmp_path / "a.parquet")
    found, reasons = read(tmp_path / "a.parquet")
    assert found["id"].to_list() == ["1", "16777216"] and "at most 2**24" in reasons[0]


def test_a_file_without_a_header_gets_no_harmful_advice(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("0\tTim Cook met Angela Merkel in Berlin.\n1\tApple.\n", "utf-8")
    text = message(tmp_path / "a.tsv")
    assert "looks like data" in text and "such as 'id\\ttext'" in text
    assert "corpus: {text" not in text and "nearest" not in text
