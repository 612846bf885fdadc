from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import zstandard
from making import make_texts, write_jsonl
from shardner.config import CorpusConfig, Unit, parse_config
from shardner.corpus.samples import FileHead, choose, spread, take_heads

CORPUS = parse_config({}).corpus
TEXTS = make_texts(2_000, seed=1)


def take(path: Path, chars: int, corpus: CorpusConfig = CORPUS) -> FileHead:
    target = path.parent / "heads"
    target.mkdir()
    (head,) = take_heads([(path, path.stat().st_size)], corpus, chars, target)
    assert head.source == path and [head.path] == list(target.iterdir())
    return head


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_the_first_part_of_a_file_holds_whole_records_in_about_its_share_of_the_bytes(
    tmp_path: Path, ending: str
) -> None:
    plain = write_jsonl(tmp_path / "c.jsonl", TEXTS).read_bytes()
    path = tmp_path / f"c.jsonl{ending}"
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor(write_checksum=True).compress}[ending]
    path.write_bytes(pack(plain))
    head = take(path, len(plain) // 4)
    part = head.path.read_bytes()
    assert plain.startswith(part) and part.endswith(b"\n") and head.path.suffix == ".jsonl"
    assert 0 < head.bytes < path.stat().st_size
    assert 0 < len(part) < len(plain)
    if ending != ".zst":  # which compresses blocks of 128 KiB
        assert head.bytes / path.stat().st_size == pytest.approx(len(part) / len(plain), rel=0.3)


def test_a_small_file_is_taken_whole(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", TEXTS[:5])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    head = take(path, 10_000_000)
    assert head.path.read_bytes() == path.read_bytes() and head.bytes == path.stat().st_size


def test_a_record_longer_than_what_is_wanted_is_taken_whole(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"id": 1, "text": "a" * 50_000}) + "\n" + json.dumps({"id": 2, "text": "b" * 90_000}))
    assert json.loads(take(path, 100).path.read_text())["id"] == 1


def test_a_file_that_is_one_document_is_cut_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_text("a " * 50_000)
    head = take(path, 1_000, replace(CORPUS, unit=Unit.FILE))
    assert head.bytes == head.path.stat().st_size == 1_000


def test_of_a_parquet_file_the_first_rows_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    pl.DataFrame({"id": range(2_000), "text": TEXTS}).write_parquet(path)
    size = path.stat().st_size
    head = take(path, size // 5)  # two characters a byte are expected
    rows = pl.read_parquet(head.path)
    assert rows["id"].to_list() == list(range(200)) and head.bytes == size // 10


def test_files_are_spread_over_the_bytes() -> None:
    assert spread([], 8) == [] and spread([0, 0], 8) == [0] and spread([5], 8) == [0]
    assert spread([1] * 80, 8) == [5, 15, 25, 35, 45, 55, 65, 75]
    assert spread([1, 1_000_000, 1], 8) == [1]
    assert spread([10, 10, 20], 4) == [0, 1, 2]


def test_a_file_of_each_kind_is_sampled() -> None:
    files = [(Path("a.jsonl"), 1_000_000), (Path("b.parquet"), 1), (Path("c.PARQUET"), 2), (Path("d.csv"), 0)]
    assert choose(files) == [0, 2, 3]
