"""Text that is not UTF-8."""

from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.config import CorpusConfig, parse_config
from shardner.corpus.check import check_files, check_records
from shardner.corpus.encodings import as_utf8, find_windows_1252
from shardner.corpus.files import can_be_entered
from shardner.corpus.read import read_corpus
from shardner.errors import ConfigError, CorpusError

CORPUS = parse_config({}).corpus
TEXT = "Zoë Müller flew to Łódź."


def settings(encoding: str) -> CorpusConfig:
    return parse_config({"corpus": {"encoding": encoding}}).corpus


def read(path: Path, corpus: CorpusConfig) -> tuple[list[str], list[tuple[int, int, str]]]:
    check_files([path], corpus)
    check_records([(path, path.stat().st_size)], corpus)
    batches = list(read_corpus([path], corpus, scratch=path.parent, max_chars=1_000))
    texts = [text for batch in batches for text in batch.records["text"]]
    return texts, [row for batch in batches for row in batch.rejected.select("row", "byte_offset", "reason").rows()]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "UTF-16BE", "utf-32", "gb18030"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt", "a.json.gz"])
def test_another_encoding_is_read_as_it_is_told(tmp_path: Path, name: str, encoding: str) -> None:
    line = {"jsonl": f'{{"id": 1, "text": "{TEXT}"}}', "csv": f"id,text\n1,{TEXT}", "tsv": f"id\ttext\n1\t{TEXT}"}
    line |= {"txt": TEXT, "gz": f'[{{"id": 1, "text": "{TEXT}"}}]'}
    data = (line[name.rpartition(".")[2]] + "\n").encode(encoding)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read(path, settings(encoding)) == ([TEXT], [])
    assert not can_be_entered(path, settings(encoding))


def test_what_is_no_text_in_its_encoding_costs_one_record(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\n".encode("utf-16-le") + b"\x00\xd8" + "two\nthree\n".encode("utf-16-le"))
    assert read(path, settings("utf-16-le")) == (["one", "three"], [(1, 4, "invalid UTF-8 at byte 0 of the record")])


@given(
    text=st.text(st.characters(codec="utf-8")),
    cuts=st.lists(st.integers(0, 200)),
    encoding=st.sampled_from(["utf-16", "utf-32", "utf-7"]),
)
def test_text_cut_anywhere_comes_out_whole(text: str, cuts: list[int], encoding: str) -> None:
    data = text.encode(encoding)
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(ends)]
    assert b"".join(as_utf8(iter(pieces), encoding)).decode() == text


@pytest.mark.parametrize("encoding", ["utf-8", "mac_roman", "cp1252", "utf-16-le"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv.gz", "a.txt"])
def test_lines_that_a_carriage_return_alone_ends_are_read_as_told(tmp_path: Path, name: str, encoding: str) -> None:
    lines = {
        "a.jsonl": ['{"id": 1, "text": "Zoë"}', '{"id": 2, "text": "Müller"}', "{"],
        "a.csv": ["id,text", "1,Zoë", "2,Müller", '3,"x'],
        "a.tsv.gz": ["id\ttext", "1\tZoë", "2\tMüller", "3"],
        "a.txt": ["Zoë", "Müller"],
    }
    data = "".join(line + "\r" for line in lines[name]).encode(encoding)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    texts, rejected = read(path, settings(f"{encoding}-CR"))
    first = {"a.jsonl": 0, "a.csv": 1, "a.tsv.gz": 1, "a.txt": 0}[name]
    offset = len("".join(lines[name][: first + 2]).encode()) + first + 2
    assert texts == ["Zoë", "Müller"]
    assert [each[1] for each in rejected] == ([] if name == "a.txt" else [offset])
    assert not can_be_entered(path, settings(f"{encoding}-cr"))


@given(
    text=st.text(st.sampled_from("a\r\n")),
    cuts=st.lists(st.integers(0, 40)),
    encoding=st.sampled_from(["utf-8", "utf-16-le"]),
)
def test_only_a_carriage_return_alone_becomes_a_line_feed(text: str, cuts: list[int], encoding: str) -> None:
    data = text.encode(encoding)
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(ends)]
    expected = text.replace("\r\n", "\0").replace("\r", "\n").replace("\0", "\r\n")
    assert b"".join(as_utf8(iter(pieces), f"{encoding}-cr")).decode() == expected


def test_files_from_windows_may_lie_beside_those_of_old_macs(tmp_path: Path) -> None:
    for name, end in {"a.txt": "\r\n", "b.txt": "\n", "c.txt": "\r"}.items():
        (tmp_path / name).write_bytes(f"one{end}two{end}".encode())
        assert read(tmp_path / name, settings("utf-8-cr")) == (["one", "two"], [])


@pytest.mark.parametrize(
    ("name", "data", "advice"),
    [
        ("a.jsonl", '{"id": 1, "text": "a"}\r{"id": 2, "text": "b"}\r', r"\{encoding: utf-8-cr\}$"),
        ("a.csv", "id,text\r1,a\r2,b\r", r"\{encoding: utf-8-cr\}$"),
        (
            "a.tsv",
            "id\ttext\r1\tMüller",
            r"\{encoding: utf-8-cr\}; it is not UTF-8, so write mac_roman-cr or",
        ),
    ],
)
def test_carriage_returns_alone_are_named_before_any_work(tmp_path: Path, name: str, data: str, advice: str) -> None:
    path = tmp_path / name
    path.write_bytes(data.encode("mac_roman"))
    with pytest.raises(CorpusError, match="its lines end with a carriage return alone, .* write  corpus: " + advice):
        check_files([path], CORPUS)


def test_text_with_carriage_returns_alone_is_one_line_and_doubted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\rtwo\r")
    assert read(path, CORPUS) == (["one\rtwo\r"], [])
    [look] = check_files([path], CORPUS)
    assert [doubt.partition(",")[0] for doubt in look.doubts] == [f"{path}: read as one line"]
    path.write_bytes(b"one\rtwo\r\nthree\r")
    [look] = check_files([path], CORPUS)
    assert not look.doubts


@pytest.mark.parametrize("data", [b'{\r "id": 1,\r "text": "a"\r}', b'{"id": 1, "text": "a"}\r'])
def test_one_object_may_have_carriage_returns_between_its_values(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    assert read(path, CORPUS) == (["a"], [])


def test_an_encoding_that_is_none_is_refused() -> None:
    for name in (
        "klingon",
        "-cr",
        "klingon-cr",
        "base64",
        "rot13",
        "idna",
        "punycode",
        "unicode_escape",
        "raw_unicode_escape",
    ):
        with pytest.raises(ConfigError, match="no encoding of text that Python knows"):
            settings(name)
    assert [settings(name).encoding for name in ("UTF8", "utf-8-sig", "ascii")] == ["utf-8"] * 3
    assert [settings(name).encoding for name in ("ASCII-CR", "latin-1-cr")] == ["utf-8-cr", "iso8859-1-cr"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("id,text\n1,Zoë Müller said “Le Monde”.\n", "Müller"),
        ("price: 5 € “a café”\n", "café"),
        ("plain ASCII\n", None),
    ],
)
def test_windows_1252_is_recognised_by_its_words(text: str, word: str | None) -> None:
    assert find_windows_1252(text.encode("cp1252")) == word
    assert find_windows_1252(text.encode()) is None


@pytest.mark.parametrize(
    "start", [b"a \xff b \xfe c\n", b"caf\xe9\n", "ë".encode() + b" Mu\xebl\xfc\n", b"\x81x\x8dy\n", b"\xc3", b""]
)
def test_bad_bytes_are_not_taken_for_an_encoding(start: bytes) -> None:
    assert find_windows_1252(start) is None


def test_windows_1252_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,text\n1,Zoë Müller\n".encode("cp1252"))
    with pytest.raises(CorpusError, match=r"corpus: \{encoding: cp1252\}"):
        check_files([path], CORPUS)
    assert read(path, replace(CORPUS, encoding="cp1252")) == (["Zoë Müller"], [])
