"""Columns that stand in the names of directories."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shardner.config import CorpusConfig, parse_config
from shardner.corpus.check import check_files, check_records
from shardner.corpus.patterns import expand_files
from shardner.corpus.read import read_corpus
from shardner.errors import CorpusError


def settings(directory: Path, **changes: Any) -> CorpusConfig:
    return parse_config({"corpus": {"files": [str(directory)], **changes}}).corpus


def read(corpus: CorpusConfig) -> tuple[pl.DataFrame, dict[str, frozenset[str]]]:
    """Check and read a corpus; return its records, and the kinds of its kept columns."""
    files = expand_files(corpus)
    check_files(files, corpus)
    check_records([(path, path.stat().st_size) for path in files], corpus)
    batches = list(read_corpus(files, corpus, scratch=Path(corpus.files[0]), max_chars=1_000))
    kinds = {column: frozenset[str]().union(*(batch.kinds[column] for batch in batches)) for column in corpus.keep}
    return pl.concat([batch.records for batch in batches], how="vertical_relaxed"), kinds


def write(path: Path, *records: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


def test_a_directory_gives_a_column_that_the_file_does_not_have(tmp_path: Path) -> None:
    write(tmp_path / "year=2024/lang=de%20CH/a.jsonl", {"id": 1, "text": "a", "k": True})
    write(tmp_path / "year=2025/lang=__HIVE_DEFAULT_PARTITION__/a.jsonl", {"id": 2, "text": "b", "k": False})
    records, kinds = read(settings(tmp_path, keep=["lang", "k", "year"]))
    assert records.columns[-3:] == ["lang", "k", "year"]
    assert records.select("lang", "k", "year").rows() == [("de CH", "true", "2024"), (None, "false", "2025")]
    assert kinds == {"lang": {"string"}, "k": {"boolean"}, "year": {"integer"}}


def test_a_column_of_the_file_goes_before_that_of_the_directory(tmp_path: Path) -> None:
    write(tmp_path / "year=2024/a.jsonl", {"id": 1, "text": "a", "year": 1999})
    write(tmp_path / "year=2025/a.jsonl", {"id": 2, "text": "b"})
    assert read(settings(tmp_path, keep=["year"]))[0]["year"].to_list() == ["1999", "2025"]


def test_plain_text_and_tables_have_columns_of_directories_too(tmp_path: Path) -> None:
    for name in ("year=1813/a.txt", "year=02/a.txt"):
        (tmp_path / "t" / name).parent.mkdir(parents=True)
        (tmp_path / "t" / name).write_text("One.\nTwo.\n", "utf-8")
    records, kinds = read(settings(tmp_path / "t", keep=["year"]))
    assert records["year"].to_list() == ["02", "02", "1813", "1813"] and kinds["year"] == {"string", "integer"}
    for year in (1, 2):
        directory = tmp_path / "p" / f"year={year}"
        directory.mkdir(parents=True)
        pl.DataFrame({"id": [str(year)], "text": ["a"], "k": [[1, 2]]}).write_parquet(directory / "a.parquet")
    records, kinds = read(settings(tmp_path / "p", keep=["year", "k"]))
    assert records.select("year", "k").rows() == [("1", [1, 2]), ("2", [1, 2])]
    assert kinds == {"year": {"integer"}, "k": {"native"}}


def test_a_name_that_is_not_utf8_is_shown_as_other_names_are(tmp_path: Path) -> None:
    write(tmp_path / os.fsdecode(b"town=caf\xe9") / "a.jsonl", {"id": 1, "text": "a"})
    assert read(settings(tmp_path, keep=["town"]))[0]["town"].to_list() == ["caf\\xe9"]


def test_a_column_that_is_nowhere_is_named(tmp_path: Path) -> None:
    write(tmp_path / "year=2024/a.jsonl", {"id": 1, "text": "a"})
    with pytest.raises(CorpusError, match="there is no column 'month'"):
        read(settings(tmp_path, keep=["year", "month"]))
