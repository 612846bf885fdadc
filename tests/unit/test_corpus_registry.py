"""The table of formats: what holds for each of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import shardner
from making import compressors
from shardner.config import parse_config
from shardner.corpus.check import check_files
from shardner.corpus.files import detect_format
from shardner.corpus.formats import (
    ARROW,
    CSV,
    INPUT_FORMATS,
    JSONL,
    PARQUET,
    TSV,
    TXT,
    WARC,
    Compression,
    InputFormat,
    find_format,
)
from shardner.corpus.reader import Reader, ReadOptions
from shardner.corpus.registry import READERS
from shardner.parse.shard_plan import CHARS_PER_BYTE

SCRIPTS = Path(shardner.__file__).parents[1]
ROOT = SCRIPTS.parents[1]
CORPUS = parse_config({}).corpus
TEXTS = ["Ada met Bob.", "", "Łódź, 3 \U0001f600"]


def warc_record(uri: str, text: str) -> bytes:
    body = text.encode()
    head = f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: {uri}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


def write(path: Path, form: InputFormat) -> None:
    """Write a file with the texts, not compressed."""
    if form is PARQUET:
        pl.DataFrame({"id": range(3), "text": TEXTS}).write_parquet(path)
        return
    if form is ARROW:
        pl.DataFrame({"id": range(3), "text": TEXTS}).write_ipc(path)
        return
    if form is WARC:
        path.write_bytes(b"".join(warc_record(str(number), text) for number, text in enumerate(TEXTS)))
        return
    if form is TXT:
        lines = TEXTS
    elif form is JSONL:
        lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate(TEXTS)]
    else:
        mark = {CSV: ",", TSV: "\t"}[form]
        quote = '"' if form is CSV else ""
        lines = [f"id{mark}text", *(f"{number}{mark}{quote}{text}{quote}" for number, text in enumerate(TEXTS))]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def test_each_format_has_one_reader_and_each_reader_a_format() -> None:
    assert set(READERS) == set(INPUT_FORMATS)
    for form, reader in READERS.items():
        assert isinstance(reader, Reader) and reader.format is form


def test_each_suffix_belongs_to_one_format() -> None:
    times = Counter(suffix for form in INPUT_FORMATS for suffix in form.suffixes)
    assert set(times.values()) == {1}
    assert len({form.name for form in INPUT_FORMATS}) == len(INPUT_FORMATS)
    for form in INPUT_FORMATS:
        for suffix in form.suffixes:
            assert re.fullmatch(r"\.[a-z]+", suffix) and suffix not in list(Compression)
            assert find_format(suffix) is form


def test_characters_per_byte_are_given_for_known_suffixes_only() -> None:
    assert set(CHARS_PER_BYTE) <= {suffix for form in INPUT_FORMATS for suffix in form.suffixes} | set(Compression)
    assert detect_format(Path("a.PARQUET"), CORPUS).chars_per_byte == CHARS_PER_BYTE[".parquet"]
    assert detect_format(Path("a.csv.gz"), CORPUS).chars_per_byte == CHARS_PER_BYTE[".gz"]
    assert detect_format(Path("a.csv"), CORPUS).chars_per_byte == 1.0


def test_the_readme_has_a_line_for_each_suffix_and_for_no_other() -> None:
    cells = re.findall(r"^\| (`\.[^|]+) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    named = [suffix for cell in cells for suffix in re.findall(r"`(\.\w+)`", cell)]
    assert sorted(named) == sorted(suffix for form in INPUT_FORMATS for suffix in form.suffixes)


@pytest.mark.parametrize("name", ["README.md", "config.yaml", "workflow/schemas/config.schema.yaml"])
def test_every_suffix_is_named_where_settings_are_described(name: str) -> None:
    words = set(re.findall(r"\.\w+", (ROOT / name).read_text("utf-8")))
    assert words >= {suffix for form in INPUT_FORMATS for suffix in form.suffixes}
    assert words >= {compression.value for compression in Compression if compression}


@pytest.mark.parametrize(
    ("form", "suffix", "compression"),
    [
        (form, suffix, compression)
        for form in INPUT_FORMATS
        for suffix in form.suffixes
        for compression in (Compression if form.compressible else [Compression.NONE])
    ],
)
def test_a_file_of_each_suffix_is_checked_read_and_sampled(
    tmp_path: Path, form: InputFormat, suffix: str, compression: Compression
) -> None:
    path = tmp_path / f"corpus{suffix}{compression}"
    write(path, form)
    path.write_bytes(compressors()[compression](path.read_bytes()))
    check_files([path], CORPUS)
    source, reader = detect_format(path, CORPUS), READERS[form]
    options = ReadOptions(CORPUS, None if form.has_columns else path.name, native=False, max_chars=500_000)
    (draft,) = reader.read(source, options)
    assert draft.batch.records["text"].to_list() == TEXTS
    assert draft.batch.records["id"].to_list() == [
        f"{'' if form.has_columns else path.name + ':'}{n}" for n in range(3)
    ]
    assert bool(reader.read_dtypes(source)) is form.has_dtypes
    target = tmp_path / f"head{form.suffixes[0]}"
    size = path.stat().st_size
    assert reader.write_head(source, CORPUS, size, target) == size
    assert [
        text for each in reader.read(detect_format(target, CORPUS), options) for text in each.batch.records["text"]
    ] == TEXTS


def test_what_the_snakefile_imports_of_the_corpus_loads_no_large_package() -> None:
    large = "{'polars', 'numpy', 'zstandard', 'spacy'}"
    code = f"import sys, shardner.corpus.files, shardner.corpus.remote; print(sorted({large} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
