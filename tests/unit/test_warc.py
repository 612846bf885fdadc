"""WARC: the text of crawls."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shardner.config import CorpusConfig, parse_config
from shardner.corpus import streams
from shardner.corpus.check import check_files, check_records
from shardner.corpus.files import can_be_entered
from shardner.corpus.read import read_corpus
from shardner.errors import CorpusError

CORPUS = parse_config({}).corpus


def record(body: bytes, kind: str = "conversion", **headers: str) -> bytes:
    lines = [f"WARC-Type: {kind}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(["WARC/1.0", *lines, f"Content-Length: {len(body)}", "", ""]).encode() + body + b"\r\n\r\n"


def page(number: int, body: str, **headers: str) -> bytes:
    return record(body.encode(), WARC_Target_URI=f"http://example.org/{number}", **headers)


INFO = record(b"Software-Info: x\r\n", "warcinfo")
PAGES = [
    page(0, "Łódź \U0001f600", WARC_Date="2025-01-01"),
    page(1, "WARC/1.0\r\n\r\nsecond"),
    record(b"Third.", "resource", WARC_Target_URI="<urn:x>", Content_Type="text/plain"),
    record(b"\x89PNG", "resource", WARC_Target_URI="urn:y", Content_Type="image/png"),
]


def read(path: Path, corpus: CorpusConfig = CORPUS) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    check_files([path], corpus)
    check_records([(path, path.stat().st_size)], corpus)
    batches = list(read_corpus([path], corpus, scratch=path.parent, max_chars=1_000))
    records = [row for batch in batches for row in batch.records.drop("file").rows()]
    return records, [row for batch in batches for row in batch.rejected.select("row", "byte_offset", "reason").rows()]


@pytest.mark.parametrize("name", ["a.warc.wet.gz", "a.wet", "a.warc", "CC-MAIN-0001"])
def test_a_record_of_text_is_a_document_and_its_uri_the_id(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    members = [INFO, *PAGES]
    path.write_bytes(b"".join(map(gzip.compress, members)) if name.endswith(".gz") else b"".join(members))
    records, rejected = read(path)
    assert records == [
        ("http://example.org/0", 0, "Łódź \U0001f600"),
        ("http://example.org/1", 1, "WARC/1.0\r\n\r\nsecond"),
        ("urn:x", 2, "Third."),
    ]
    assert rejected == [] and not can_be_entered(path, CORPUS)


def test_headers_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.wet"
    path.write_bytes(b"".join(PAGES[:2]))
    assert read(path, replace(CORPUS, id=None, keep=("warc-date", "WARC-Type")))[0] == [
        ("a.wet:0", 0, "Łódź \U0001f600", "2025-01-01", "conversion"),
        ("a.wet:1", 1, "WARC/1.0\r\n\r\nsecond", None, "conversion"),
    ]
    with pytest.raises(CorpusError, match="no column 'WARC-Record-ID'"):
        check_files([path], replace(CORPUS, id="WARC-Record-ID"))


def test_bad_records_are_rejected_and_the_next_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 600)
    path = tmp_path / "a.wet"
    members = [
        page(0, "a"),
        record(b"no uri"),
        page(2, "x" * 601),
        record(b"\xff", WARC_Target_URI="u"),
        page(0, "b"),
        page(5, "c"),
    ]
    path.write_bytes(b"".join(members))
    records, rejected = read(path)
    assert [row[2] for row in records] == ["a", "c"]
    starts = [sum(map(len, members[:number])) for number in range(len(members))]
    assert rejected == [
        (1, starts[1], "missing id"),
        (2, starts[2], "the record has 601 bytes, more than the 600 that can be read"),
        (3, starts[3], "invalid UTF-8 at byte 0 of the record"),
        (4, starts[4], "duplicate id 'http://example.org/0'"),
    ]


def test_a_file_that_is_cut_is_an_error_after_what_stands_before(tmp_path: Path) -> None:
    path = tmp_path / "a.wet"
    for length in (len(PAGES[1]) - 20, 30):
        path.write_bytes(PAGES[0] + PAGES[1][:length])
        found = []
        with pytest.raises(CorpusError, match="it is truncated"):
            for batch in read_corpus([path], CORPUS, scratch=tmp_path, max_chars=1_000):
                found += batch.records["text"].to_list()
        assert found == ["Łódź \U0001f600"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 200\r\n", "at byte 0 no record begins"),
        (b"WARC/1.0\r\nWARC-Type: conversion\r\n\r\n", "does not say its length"),
        (b"WARC/1.0\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", "does not say its length"),
        (b"WARC/1.0\r\n" + b"A: b\r\n" * 2_000 + b"\r\n", "does not end"),
        (
            INFO + record(b"<html>", "response"),
            "no first record holds text (WARC-Type: conversion), but warcinfo, response",
        ),
    ],
)
def test_what_is_no_text_of_a_crawl_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(data)
    with pytest.raises(CorpusError) as caught:
        check_files([path], CORPUS)
    assert words in str(caught.value)
