from __future__ import annotations

import bz2
import gzip
import lzma
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from shardner.config import CorpusConfig, OnBadRecord, parse_config
from shardner.corpus import stream_reader
from shardner.corpus.check import check_files, check_records
from shardner.errors import CorpusError


def settings(**changes: Any) -> CorpusConfig:
    return replace(parse_config({}).corpus, files=(), **changes)


def write(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def message(path: Path, **changes: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        check_files([path], settings(**changes))
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


def parquet(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "a.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b'\n{"id": 1, "k": 2}\nbroken\n{"id": 1, "text": "a"}\n'),
        ("a.jsonl", b""),
        ("a.jsonl", b"nothing\nparses\n"),
        ("a.csv", b"\xef\xbb\xbfid,k,text\r\n"),
        ("a.tsv", b'\n"id"\t"k"\ttext'),
        ("a.csv", b"id,other,other,k,text\n"),
    ],
)
def test_files_with_the_columns_pass(tmp_path: Path, name: str, data: bytes) -> None:
    files = [
        write(tmp_path, name, data),
        write(tmp_path, name + ".gz", gzip.compress(data)),
        write(tmp_path, name + ".zst", zstandard.compress(data)),
    ]
    check_files(files, settings(keep=("k",)))


def test_plain_text_passes_without_columns(tmp_path: Path) -> None:
    files = [write(tmp_path, "a.txt", b""), write(tmp_path, "b.txt.gz", gzip.compress(b"a"))]
    check_files(files, settings(id=None))
    check_files(files, settings())


def test_plain_text_has_nothing_to_keep(tmp_path: Path) -> None:
    assert "corpus: {keep: []}" in message(write(tmp_path, "a.txt", b"a\n"), id=None, keep=("k",))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"id,Text,title\n1,a,b\n"),
        ("a.tsv.gz", gzip.compress(b"id\tText\ttitle\n", mtime=0)),
        ("a.jsonl", b'{"id": 1, "Text": "a"}\n{"id": 2, "title": ""}\n'),
    ],
)
def test_a_missing_text_column_shows_the_columns_and_the_line_to_write(tmp_path: Path, name: str, data: bytes) -> None:
    text = message(write(tmp_path, name, data))
    assert "there is no column 'text' (corpus.text); its columns: 'id', 'Text', 'title'" in text
    assert "the nearest is 'Text'; write:  corpus: {text: Text}" in text


def test_a_missing_text_column_of_parquet_is_named(tmp_path: Path) -> None:
    assert "write:  corpus: {text: body}" in message(parquet(tmp_path, id=[1], body=["a"]), text="bdy")


def test_a_missing_id_column_mentions_null(tmp_path: Path) -> None:
    text = message(write(tmp_path, "a.csv", b"key,text\n"))
    assert "there is no column 'id' (corpus.id)" in text
    assert "without ids in the input, write:  corpus: {id: null}" in text


def test_a_missing_keep_column_shows_the_whole_list(tmp_path: Path) -> None:
    text = message(write(tmp_path, "a.jsonl", b'{"id": 1, "text": "", "year": 1, "yes": 1}\n'), keep=("year", "Yess"))
    assert "no column 'Yess' (corpus.keep)" in text
    assert "corpus: {keep: [year, 'yes']}" in text  # yes alone is a boolean in YAML


def test_many_columns_are_not_all_shown(tmp_path: Path) -> None:
    text = message(write(tmp_path, "a.csv", ",".join(f"c{n}" for n in range(50)).encode()))
    assert "'c19' and 30 more" in text


def test_only_the_start_of_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_reader, "CHECKED_BYTES", 100)
    data = b'{"id": 1}\n' * 20 + b'{"id": 1, "text": "a"}\n'
    assert "no column 'text'" in message(write(tmp_path, "a.jsonl", data))


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\r\n"])
def test_a_csv_without_a_header_is_an_error(tmp_path: Path, data: bytes) -> None:
    assert "the file is empty; its first line must name the columns" in message(write(tmp_path, "a.csv", data))


def test_a_csv_that_starts_with_data_says_what_the_first_line_is_for(tmp_path: Path) -> None:
    text = message(write(tmp_path, "a.csv", b"1,Ada met Bob\n"))
    assert "the first line must name the columns, and it looks like data: '1', 'Ada met Bob'" in text
    assert "such as 'id,text'" in text and "nearest" not in text


def test_a_header_that_cannot_be_parsed_is_an_error(tmp_path: Path) -> None:
    assert "its first line, which must name the columns, cannot be read: malformed CSV" in message(
        write(tmp_path, "a.csv", b'id,"text\n1,a\n')
    )


def test_a_column_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    text = message(write(tmp_path, "a.csv", b"id,text,text\n"))
    assert "the header has the column 'text' (corpus.text) 2 times; rename all but one" in text


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.jsonl", gzip.compress(b"{}", mtime=0), "no JSONL file but gzip data; let its name end in .gz"),
        ("a.csv", zstandard.compress(b"id,text"), "no CSV file but zstd data"),
        ("a.csv", "id,text\n1,Müller".encode("utf-16-le"), "UTF-16LE -t UTF-8"),
        ("a.jsonl", '{"id": 1}'.encode("utf-16-be"), "UTF-16BE -t UTF-8"),
        ("a.csv", bz2.compress(b"id,text"), "no CSV file but bzip2 data"),
        ("a.csv", lzma.compress(b"id,text"), "no CSV file but xz data"),
        ("a.txt", b"PAR1....", "no TXT file but Parquet"),
        ("a.csv.gz", gzip.compress(b"PK\x03\x04", mtime=0), "no CSV file when decompressed but a zip archive"),
        ("a.tsv", "id\ttext".encode("utf-16"), "UTF-16; write  corpus: {encoding: utf-16}, or convert it"),
        ("a.jsonl.gz", b"{}", "damaged, or not the gzip file that its name says"),
        ("a.jsonl.zst", b"{}\n" * 100, "damaged, or not the zstd file that its name says"),
        ("a.csv.gz", b"", "truncated or empty"),
        ("a.txt.zst", b"", "truncated or empty"),
        ("a.txt.gz", b"plain text", "damaged, or not the gzip file that its name says"),
        ("a.parquet", b"id,text\n1,a\n" * 20, "damaged, or not the Parquet file that its name says"),
        ("a.parquet", b"", "damaged, or not the Parquet file that its name says"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_an_error(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    assert what in message(write(tmp_path, name, data), id=None)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in message(tmp_path / "gone.jsonl")
    assert "gone.parquet" in str(tmp_path / "gone.parquet") and message(tmp_path / "gone.parquet")


def test_a_parquet_text_must_be_strings(tmp_path: Path) -> None:
    text = message(parquet(tmp_path, id=[1], text=[b"bytes"]))
    assert "the column 'text' (corpus.text) holds Binary, not strings, such as \"b'bytes'\"; name" in text


def test_a_parquet_id_must_be_strings_or_integers(tmp_path: Path) -> None:
    text = message(parquet(tmp_path, id=[True], text=["a"]))
    assert (
        "the column 'id' (corpus.id) holds Boolean, neither strings nor whole numbers nor UUIDs, such as true; name"
        in text
    )
    assert "corpus: {id: null}" in text
    frame = pl.DataFrame({"id": [None, [1, 2]], "text": ["a", "b"]})
    for rows, example in ((frame, ", such as [1, 2]"), (frame.clear(), "")):
        rows.write_ipc(tmp_path / "a.arrow")
        assert f"holds List(Int64), neither strings nor whole numbers nor UUIDs{example}; name" in message(
            tmp_path / "a.arrow"
        )


@pytest.mark.parametrize("dtype", [pl.String(), pl.Categorical(), pl.Enum(["1"]), pl.Int8(), pl.UInt64()])
def test_parquet_ids_of_text_and_integers_pass(tmp_path: Path, dtype: pl.DataType) -> None:
    check_files([parquet(tmp_path, id=pl.Series(["1"]).cast(dtype), text=["a"])], settings())


def check_heads(path: Path, **changes: Any) -> None:
    check_records([(path, path.stat().st_size)], settings(**changes))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet"])
def test_a_file_of_which_nothing_can_be_read_is_refused(tmp_path: Path, name: str) -> None:
    texts = {"id": ["1", "2"], "text": [None, None]}
    path = tmp_path / name
    if name == "a.parquet":
        pl.DataFrame(texts, schema={"id": pl.String, "text": pl.String}).write_parquet(path)
    else:
        data = b"id,text\n,a\n,b\n" if name == "a.csv" else b'{"id": 1, "text": null}\n{"id": 2, "text": 5}\n'
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(CorpusError, match=f"{name}: none of the first 2 records can be read .the first one: missing"):
        check_heads(path, on_bad_record=OnBadRecord.FAIL)


@pytest.mark.parametrize("data", [b"", b"\n\n", b'broken\n{"id": 1, "text": "a"}\n', b'{"id": 1, "text": "a"}'])
def test_a_file_with_one_good_record_or_none_at_all_is_read(tmp_path: Path, data: bytes) -> None:
    check_heads(write(tmp_path, "a.jsonl", data))


def test_only_the_first_megabyte_is_looked_at(tmp_path: Path) -> None:
    bad, good = b'{"id": 1, "text": 5}\n', b'{"id": 1, "text": "a"}\n'
    check_heads(write(tmp_path, "a.jsonl", bad * 1_000 + good))
    with pytest.raises(CorpusError, match="none of the first"):
        check_heads(write(tmp_path, "b.jsonl", bad * 60_000 + good))
