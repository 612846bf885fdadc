from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
import zstandard
from shardner.config import CorpusConfig, parse_config
from shardner.corpus.files import detect_format, show_path
from shardner.corpus.formats import CSV, JSONL, PARQUET, TSV, TXT, Compression, InputFormat
from shardner.corpus.patterns import describe_left_out, expand_files
from shardner.errors import CorpusError

CORPUS = parse_config({}).corpus


@pytest.fixture(autouse=True)
def corpus_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.jsonl", "a.jsonl", "deep/er/c.jsonl", "z.csv", ".hidden.jsonl"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def corpus(*patterns: str, **settings: Any) -> CorpusConfig:
    return parse_config({"corpus": {**({"files": list(patterns)} if patterns else {}), **settings}}).corpus


def names(*patterns: str) -> list[str]:
    return [str(path) for path in expand_files(corpus(*patterns))]


def message(*patterns: str) -> str:
    with pytest.raises(CorpusError) as caught:
        expand_files(corpus(*patterns))
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


def test_a_directory_is_all_files_in_it_that_can_be_read() -> None:
    for name in ("deep/_SUCCESS", "deep/.part.jsonl.crc", "deep/_temporary/0/x.jsonl", "deep/notes.pdf", "deep/b.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    assert names("deep/", "z.csv") == ["deep/b.csv", "deep/er/c.jsonl", "z.csv"]
    assert describe_left_out(corpus("deep", "z.csv")) == ["corpus.files: in deep, these are left out: notes.pdf"]
    assert describe_left_out(corpus("deep/er")) == []


def test_a_directory_is_walked_to_its_end_whatever_lies_in_it() -> None:
    Path("deep/back").symlink_to("..")
    os.mkfifo("deep/pipe")
    os.mkfifo("deep/pipe.jsonl")
    Path("deep/results/.work").mkdir(parents=True)
    Path("deep/results/documents.parquet").touch()
    Path("deep/gone.jsonl").symlink_to("nowhere")
    assert names("deep") == ["deep/back/a.jsonl", "deep/back/b.jsonl", "deep/back/z.csv", "deep/er/c.jsonl"]
    (line,) = describe_left_out(corpus("deep"))
    assert "gone.jsonl, pipe, pipe.jsonl" in line


def test_a_directory_in_which_nothing_can_be_read_is_an_error() -> None:
    Path("empty").mkdir()
    assert "no file in the directory empty can be read" in message("empty")


def test_home_and_variables_of_the_environment_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NEWS", "deep/er")
    assert names("~/a.jsonl", "$NEWS/*.jsonl", "${NEWS}") == [f"{tmp_path}/a.jsonl", "deep/er/c.jsonl"]
    Path("$NEWS.jsonl").touch()
    assert names("$NEWS.jsonl") == ["$NEWS.jsonl"]
    assert "no variable NEWSS" in message("$NEWSS/a.jsonl") and "no variable NEWSS" in message("${NEWSS}/*.jsonl")


def test_brackets_in_names_of_directories_are_known(tmp_path: Path) -> None:
    path = Path("données [2020]/a b.jsonl")
    path.parent.mkdir()
    path.touch()
    assert names("données [2020]") == names("données [2020]/a b.jsonl") == [str(path)]
    assert "write 'données [[]2020]/*.jsonl'" in message("données [2020]/*.jsonl")
    assert names("données [[]2020]/*.jsonl") == [str(path)]


def test_a_glob_without_a_match_shows_what_is_there() -> None:
    assert "deep/er holds c.jsonl; mend the pattern" in message("deep/er/*.csv")
    assert "write a file's path or a directory" in message("gone/*.csv")


@pytest.mark.parametrize(
    ("name", "start", "form", "compression"),
    [
        ("wiki_00", b'{"text": "a"}\n', JSONL, Compression.NONE),
        ("part-00000", b'\xef\xbb\xbf [ {"text": "a"}]', JSONL, Compression.NONE),
        ("part-00000-9c.c000", gzip.compress(b'{"text": "a"}\n', mtime=0), JSONL, Compression.GZIP),
        ("RC_2012-12.zst", zstandard.compress(b'{"body": "' + b"a" * 9_000_000), JSONL, Compression.ZSTD),
        ("dump", bz2.compress(b'[{"text": "a"}]'), JSONL, Compression.BZIP2),
        ("dump.2020", lzma.compress(b"{}\n"), JSONL, Compression.XZ),
        ("table", b"PAR1....", PARQUET, Compression.NONE),
    ],
)
def test_the_first_bytes_tell_the_format_where_the_name_does_not(
    name: str, start: bytes, form: InputFormat, compression: Compression
) -> None:
    Path(name).write_bytes(start)
    found = detect_format(Path(name), CORPUS)
    assert (found.format, found.compression) == (form, compression)


@pytest.mark.parametrize(
    "start", [b"", b"id,text\n1,a\n", b"Some prose.\n", b"[Note]\n", b"{curly}", b"<doc>", b"\x00\x01"]
)
def test_what_the_first_bytes_do_not_tell_has_to_be_told(start: bytes) -> None:
    Path("data").write_bytes(start)
    assert "neither its name nor its first bytes" in message("data") and "corpus: {format: txt}" in message("data")
    for form in (JSONL, CSV, TSV, TXT, PARQUET):
        assert detect_format(Path("data"), corpus(format=form.name)).format is form


def test_the_format_that_is_told_holds_whatever_the_name_is() -> None:
    Path("a.txt.gz").write_bytes(gzip.compress(b"id,text\n1,a\n"))
    found = detect_format(Path("a.txt.gz"), corpus(format="csv"))
    assert (found.format, found.compression) == (CSV, Compression.GZIP)
    Path("b").write_bytes(gzip.compress(b"id,text\n1,a\n"))
    assert detect_format(Path("b"), corpus(format="csv")).compression is Compression.GZIP


@pytest.mark.parametrize("name", ["a.xml", "a.txt.lz4", "a.jsonl.zip", "README", "a.gz", "gz", ".jsonl.xz"])
def test_an_unknown_format_is_an_error_that_lists_the_known(name: str) -> None:
    Path(name).touch()
    text = message(name)
    assert name in text
    packed = "(each also with .gz, .zst, .bz2 or .xz after it)"
    assert (
        f".jsonl, .ndjson, .json, .csv, .tsv, .txt, .wet, .warc {packed} and .parquet, .arrow, .feather, .ipc" in text
    )


def test_compressed_parquet_is_an_error_that_says_what_to_write() -> None:
    Path("a.parquet.gz").touch()
    assert "write 'a.parquet'" in message("a.parquet.gz")


def test_an_unreadable_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    settings = corpus("a.jsonl")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CorpusError, match=r"a\.jsonl cannot be read: Permission denied"):
        expand_files(settings)


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
    found = detect_format(Path(name), CORPUS)
    assert (found.format, found.compression) == (form, compression)


def test_a_name_that_is_not_utf8_can_be_shown() -> None:
    assert show_path(Path(os.fsdecode(b"caf\xe9.txt"))) == "caf\\xe9.txt"


def test_pipes_and_devices_are_refused_and_not_opened() -> None:
    os.mkfifo("pipe.jsonl")
    for name in ("pipe.jsonl", "/dev/null"):
        assert "is no file but a pipe or a device" in message(name) and f"cat {name} > corpus.jsonl" in message(name)
