"""What a CSV or TSV file shows of its delimiter and quoting, and what is said where that may be wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shardner.config import Quoting, parse_config
from shardner.corpus import stream_reader
from shardner.corpus.check import check_files, check_records
from shardner.corpus.dialect import Dialect, find_dialect
from shardner.corpus.formats import CSV, TSV, InputFormat
from shardner.corpus.read import read_corpus
from shardner.corpus.reader import Look
from shardner.errors import ConfigError, CorpusError

CORPUS = parse_config({}).corpus
STANDARD, NONE = Quoting.STANDARD, Quoting.NONE


@pytest.mark.parametrize(
    ("line", "form", "expected"),
    [
        ("id,text\n", CSV, Dialect(",", STANDARD)),
        ("id;text;note\r\n", CSV, Dialect(";", STANDARD)),
        ('"id"|"text"', CSV, Dialect("|", STANDARD)),
        ("id\ttext", CSV, Dialect("\t", STANDARD)),
        ("sep=;\r\n", CSV, Dialect(";", STANDARD, named=True)),
        ("SEP=,", CSV, Dialect(",", STANDARD, named=True)),
        # all columns that are asked for, rather than the most fields
        ("id,text,a;b;c;d;e", CSV, Dialect(",", STANDARD)),
        ("x;y;z,w", CSV, Dialect(";", STANDARD)),
        ("number", CSV, Dialect(",", STANDARD)),
        ("", CSV, Dialect(",", STANDARD)),
        ("id;text\r1;a\r2;b", CSV, Dialect(";", STANDARD)),
        ("a\x00;" + "b" * 200_000, CSV, Dialect(";", STANDARD)),
        ("id\ttext,a", TSV, Dialect("\t", NONE)),
        ('"id"\t"text"', TSV, Dialect("\t", STANDARD)),
    ],
)
def test_the_first_line_shows_the_dialect(line: str, form: InputFormat, expected: Dialect) -> None:
    assert find_dialect(line, form, CORPUS) == expected


def test_what_is_set_is_taken() -> None:
    given = replace(CORPUS, delimiter="~", quoting=Quoting.BACKSLASH)
    assert find_dialect("id,text", CSV, given) == Dialect("~", Quoting.BACKSLASH)
    assert find_dialect("sep=,", TSV, given) == Dialect("~", Quoting.BACKSLASH, named=True)


@pytest.mark.parametrize("delimiter", ['"', "\\", "\n", "\r", "", ",,", "tab"])
def test_what_cannot_stand_between_fields_is_refused(delimiter: str) -> None:
    with pytest.raises(ConfigError, match="delimiter"):
        parse_config({"corpus": {"delimiter": delimiter}})


def read(tmp_path: Path, name: str, data: bytes, **changes: Any) -> list[str]:
    path = tmp_path / name
    path.write_bytes(data)
    corpus = replace(CORPUS, **changes)
    check_files([path], corpus)
    batches = list(read_corpus([path], corpus, scratch=tmp_path, max_chars=1_000))
    assert not any(batch.rejected.height for batch in batches)
    return [text for batch in batches for text in batch.records["text"]]


def test_a_line_that_names_the_delimiter_is_no_record(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", b"\xef\xbb\xbf\nsep=;\r\nid;text\r\n1;a\r\n2;b,c\r\n") == ["a", "b,c"]


def test_quotes_after_a_backslash_are_named_and_read_as_told(tmp_path: Path) -> None:
    data = b'id,text\n1,"He said \\"Apple\\" today, twice"\n2,plain\n'
    with pytest.raises(CorpusError, match=r"corpus: \{quoting: backslash\}"):
        read(tmp_path, "a.csv", data)
    # who has doubled marks and a broken record says so, and has it rejected
    path = tmp_path / "a.csv"
    check_files([path], replace(CORPUS, quoting=STANDARD))
    assert read(tmp_path, "a.csv", data, quoting=Quoting.BACKSLASH) == ['He said "Apple" today, twice', "plain"]


def test_a_record_that_the_check_sees_in_part_is_no_sign_of_backslashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quoted field of the second record ends after the bytes that are checked."""
    monkeypatch.setattr(stream_reader, "CHECKED_BYTES", 100)
    data = b'id,text\n1,a\n2,"C:\\""\n' + b"b" * 200 + b'"\n'
    assert read(tmp_path, "a.csv", data) == ["a", 'C:\\"\n' + "b" * 200]


def test_quotes_around_all_fields_of_a_tsv_must_be_told(tmp_path: Path) -> None:
    data = b'id\ttext\n1\t"Ada"\n2\tBob\n'
    with pytest.raises(CorpusError, match=r"corpus: \{quoting: standard\}"):
        read(tmp_path, "a.tsv", data)
    assert read(tmp_path, "a.tsv", data, quoting=STANDARD) == ["Ada", "Bob"]
    assert read(tmp_path, "a.tsv", data, quoting=NONE) == ['"Ada"', "Bob"]


def test_quotes_in_the_texts_of_a_tsv_are_texts(tmp_path: Path) -> None:
    texts = ['"Ada" is a name.', '"Opening only', 'closing only"', '"A whole title"']
    data = "id\ttext\n" + "".join(f"{number}\t{text}\n" for number, text in enumerate(texts))
    assert read(tmp_path, "a.tsv", data.encode()) == texts


def looks(tmp_path: Path, name: str, text: str, **changes: Any) -> Look:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    (look,) = check_files([path], parse_config({"corpus": changes}).corpus)
    return look


def test_what_is_decided_is_said(tmp_path: Path) -> None:
    assert looks(tmp_path, "a.csv", "id;text\n1;a\n").read_as == "CSV, delimiter ';', quoting standard"
    assert looks(tmp_path, "a.tsv", "id\ttext\n1\ta\n").read_as == "TSV, delimiter '\\t', quoting none"
    assert looks(tmp_path, "a.csv", "id,text\n1,a\n").doubts == ()


def test_rows_of_other_widths_are_doubted_with_what_to_write(tmp_path: Path) -> None:
    (doubt,) = looks(tmp_path, "a.csv", "id,text\n1,a\n2,b,c\n3\n").doubts
    assert "2 of the first 3 records do not have the header's 2 fields (row 1 has 3)" in doubt
    assert "corpus: {quoting: none}" in doubt and str(tmp_path / "a.csv") in doubt


def test_marks_that_open_fields_in_a_tsv_are_doubted(tmp_path: Path) -> None:
    first, second = looks(tmp_path, "a.tsv", 'id\ttext\n1\t"two\nlines"\n2\tb\n').doubts
    assert "1 of the first 3 records" in first
    assert "begin with a quotation mark and do not end with one" in second and "{quoting: standard}" in second
    assert looks(tmp_path, "b.tsv", 'id\ttext\n1\t"two\nlines"\n', quoting="standard").doubts == ()


def test_ids_that_repeat_between_files_are_doubted(tmp_path: Path) -> None:
    files = []
    for name in ("a.csv", "b.csv", "c.csv"):
        path = tmp_path / name
        path.write_text("id,text\n" + "".join(f"{at},x\n" for at in range(5 if name != "c.csv" else 1)), "utf-8")
        files.append((path, path.stat().st_size))
    (doubt,) = check_records(files[:2], CORPUS)
    assert "a.csv and" in doubt and "both have '0'" in doubt and "corpus: {id: null}" in doubt
    assert check_records(files[:1], CORPUS) == []
    assert check_records(files[:2], parse_config({"corpus": {"id": None}}).corpus) == []
