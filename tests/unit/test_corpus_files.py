from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from shardner.corpus.files import detect_format, expand_files, show_path
from shardner.corpus.formats import CSV, JSONL, PARQUET, TSV, TXT, Compression, InputFormat
from shardner.errors import CorpusError


@pytest.fixture(autouse=True)
def corpus_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.jsonl", "a.jsonl", "deep/er/c.jsonl", "z.csv", ".hidden.jsonl"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def names(*patterns: str) -> list[str]:
    return [str(path) for path in expand_files(patterns)]


def message(*patterns: str) -> str:
    with pytest.raises(CorpusError) as caught:
        expand_files(patterns)
    assert str(caught.value).startswith("corpus.files: ")
    return str(caught.value)


def test_patterns_keep_their_order_and_matches_are_sorted() -> None:
    assert names("z.csv", "*.jsonl") == ["z.csv", "a.jsonl", "b.jsonl"]


def test_two_stars_reach_into_directories() -> None:
    assert names("**/*.jsonl") == ["a.jsonl", "b.jsonl", "deep/er/c.jsonl"]


def test_an_absolute_glob_gives_absolute_paths(tmp_path: Path) -> None:
    assert names(f"{tmp_path}/?.jsonl") == [f"{tmp_path}/a.jsonl", f"{tmp_path}/b.jsonl"]


def test_a_glob_passes_over_hidden_files_and_directories() -> None:
    Path("d.jsonl").mkdir()
    assert names("*.jsonl") == ["a.jsonl", "b.jsonl"]


def test_a_hidden_file_can_be_named() -> None:
    assert names(".hidden.jsonl") == [".hidden.jsonl"]


def test_a_file_that_matches_twice_is_taken_once_in_its_first_place(tmp_path: Path) -> None:
    assert names("b.jsonl", "*.jsonl", "./b.jsonl", f"{tmp_path}/a.jsonl") == ["b.jsonl", "a.jsonl"]


def test_a_file_whose_name_looks_like_a_glob_can_be_named() -> None:
    Path("a[1].txt").touch()
    assert names("a[1].txt") == ["a[1].txt"]


def test_a_glob_without_a_match_is_an_error() -> None:
    assert "no file matches 'news/*.jsonl'" in message("news/*.jsonl")


def test_a_missing_file_is_an_error() -> None:
    assert "there is no file news.jsonl" in message("news.jsonl")


def test_a_link_to_nothing_is_an_error() -> None:
    Path("link.jsonl").symlink_to("nowhere")
    assert "link.jsonl (a link to nothing)" in message("link.jsonl")


def test_a_directory_is_an_error_that_shows_a_glob() -> None:
    assert "corpus: {files: [deep/*.jsonl]}" in message("deep/")


@pytest.mark.parametrize("name", ["a.xml", "a.txt.lz4", "a.jsonl.zip", "README", "a.gz", "gz", ".jsonl.xz"])
def test_an_unknown_format_is_an_error_that_lists_the_known(name: str) -> None:
    Path(name).touch()
    text = message(name)
    assert name in text
    assert (
        ".jsonl, .ndjson, .json, .csv, .tsv, .txt (each also with .gz, .zst, .bz2 or .xz after it) and .parquet" in text
    )


def test_compressed_parquet_is_an_error_that_says_what_to_write() -> None:
    Path("a.parquet.gz").touch()
    assert "write 'a.parquet'" in message("a.parquet.gz")


def test_an_unreadable_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert "a.jsonl cannot be read: Permission denied" in message("a.jsonl")


@pytest.mark.parametrize(
    ("name", "form", "compression"),
    [
        ("a.JSONL", JSONL, Compression.NONE),
        ("a.ndjson.GZ", JSONL, Compression.GZIP),
        ("a.b.Csv.zst", CSV, Compression.ZSTD),
        ("a.jsonl.BZ2", JSONL, Compression.BZIP2),
        ("a.json.gz", JSONL, Compression.GZIP),
        ("a.txt.xz", TXT, Compression.XZ),
        ("a.tsv", TSV, Compression.NONE),
        ("a.TXT", TXT, Compression.NONE),
        ("a.Parquet", PARQUET, Compression.NONE),
    ],
)
def test_a_name_tells_the_format_in_any_case(name: str, form: InputFormat, compression: Compression) -> None:
    found = detect_format(Path(name))
    assert (found.format, found.compression) == (form, compression)


def test_a_name_that_is_not_utf8_can_be_shown() -> None:
    assert show_path(Path(os.fsdecode(b"caf\xe9.txt"))) == "caf\\xe9.txt"


def test_pipes_and_devices_are_refused_and_not_opened() -> None:
    os.mkfifo("pipe.jsonl")
    for name in ("pipe.jsonl", "/dev/null"):
        assert "is no file but a pipe or a device" in message(name) and f"cat {name} > corpus.jsonl" in message(name)
