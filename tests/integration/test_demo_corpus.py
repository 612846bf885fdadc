from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import shardner
import spacy
from shardner.demo import corpus
from shardner.demo.corpus import DEMO_BAD_RECORDS, DEMO_DOCUMENTS, write_demo_corpus
from shardner.parse.run_plan import GENERATED_BYTES


class Demo(NamedTuple):
    path: Path
    gold_path: Path
    good: dict[str, dict[str, Any]]
    bad: list[bytes]
    gold: pl.DataFrame


def read_good(line: bytes, seen: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the record that the line holds, unless it is bad: Python's JSON as an independent reader."""
    try:
        record = json.loads(line.decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        return None
    return record if isinstance(record.get("id"), str) and record["id"] not in seen else None


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    directory = tmp_path_factory.mktemp("demo")
    path, gold_path = directory / "corpus.jsonl", directory / "gold.parquet"
    write_demo_corpus(path, gold_path)
    good: dict[str, dict[str, Any]] = {}
    bad = []
    for line in path.read_bytes().splitlines():
        record = read_good(line, good)
        if record is None:
            bad.append(line)
        else:
            good[record["id"]] = record
    return Demo(path, gold_path, good, bad, pl.read_parquet(gold_path))


def texts(demo: Demo) -> list[str]:
    return [record["text"] for record in demo.good.values()]


def test_same_seed_same_bytes_and_nothing_left_beside_them(demo: Demo, tmp_path: Path) -> None:
    write_demo_corpus(tmp_path / "again.jsonl", tmp_path / "again.parquet")
    assert (tmp_path / "again.jsonl").read_bytes() == demo.path.read_bytes()
    assert (tmp_path / "again.parquet").read_bytes() == demo.gold_path.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.jsonl", "again.parquet"]


def test_another_seed_writes_another_corpus_of_the_same_size(demo: Demo, tmp_path: Path) -> None:
    write_demo_corpus(tmp_path / "other.jsonl", tmp_path / "other.parquet", seed=7)
    other = (tmp_path / "other.jsonl").read_bytes()
    assert other != demo.path.read_bytes()
    assert abs(len(other) / GENERATED_BYTES - 1) < 0.1
    assert other.count(b"\n") == DEMO_DOCUMENTS + DEMO_BAD_RECORDS


def test_size_is_what_the_plan_is_told(demo: Demo) -> None:
    assert abs(demo.path.stat().st_size / GENERATED_BYTES - 1) < 0.1
    assert len(demo.good) == DEMO_DOCUMENTS
    assert len(demo.bad) == DEMO_BAD_RECORDS


def test_lengths_run_from_nothing_to_a_novel(demo: Demo) -> None:
    lengths = [len(text) for text in texts(demo)]
    long = [length for length in lengths if length >= 100_000]
    assert 3_000_000 <= sum(lengths) <= 3_500_000
    assert 0.15 <= sum(long) / sum(lengths) <= 0.25
    assert max(lengths) <= 300_000
    assert sum(length < 20 for length in lengths) > 40
    assert texts(demo).count("") == 1
    assert sum(text != "" and not text.strip() for text in texts(demo)) == 1


def test_short_texts_repeat_under_other_ids_with_the_same_entities(demo: Demo) -> None:
    text, count = Counter(text for text in texts(demo) if len(text) > 40).most_common(1)[0]
    assert count > 3
    ids = [record["id"] for record in demo.good.values() if record["text"] == text]
    entities = demo.gold.filter(pl.col("id").is_in(ids)).group_by("start", "end", "label").len()
    assert entities.height > 0
    assert entities["len"].unique().to_list() == [len(ids)]


def test_bad_lines_are_of_many_kinds_and_spread_out(demo: Demo) -> None:
    assert len(set(demo.bad)) == len(demo.bad)
    assert sum(b"\xe9" in line or b"\xf0" in line for line in demo.bad) == 2
    assert sum(line.startswith(b"[") for line in demo.bad) == 1
    (duplicate,) = [line for line in demo.bad if any(f'"{key}"'.encode() in line for key in demo.good)]
    lines = demo.path.read_bytes().splitlines()
    assert lines.index(duplicate) > 0
    numbers = sorted(lines.index(line) for line in demo.bad)
    assert numbers[-1] - numbers[0] > len(lines) // 2


def test_gold_is_of_good_documents_only_and_within_their_texts(demo: Demo) -> None:
    assert dict(demo.gold.schema) == {"id": pl.String, "start": pl.UInt32, "end": pl.UInt32, "label": pl.String}
    assert set(demo.gold["id"]) <= set(demo.good)
    assert demo.gold.filter(pl.col("id") == next(iter(demo.good))).unique().height > 0
    for record_id, start, end, _ in demo.gold.sample(5_000, seed=1).iter_rows():
        span = demo.good[record_id]["text"][start:end]
        assert len(span) == end - start > 0
        assert span == span.strip()


def test_markup_stands_in_texts_with_entities_that_are_aligned(demo: Demo) -> None:
    nlp = spacy.blank("en")
    for seed in range(60):
        rng = random.Random(seed)
        for _, template in corpus._MARKUP:
            document = corpus.render(template, rng, corpus.vocabulary(corpus.Purpose.DEMO))
            tokens = nlp.make_doc(document.text)
            assert all(tokens.char_span(start, end) for start, end, _ in document.entities), document.text
    (script,) = [record for record in demo.good.values() if "<script>alert(1)</script>" in record["text"]]
    assert demo.gold.filter(pl.col("id") == script["id"]).height >= 5
    assert any("**Present:**" in text and "&amp;" in text for text in texts(demo))


def test_every_record_has_columns_to_keep(demo: Demo) -> None:
    assert {record["source"] for record in demo.good.values()} == set(corpus.Domain)
    assert all(set(record) == {"id", "text", "source", "date"} for record in demo.good.values())


def test_a_failure_leaves_neither_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(corpus, "_gold_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write_demo_corpus(tmp_path / "corpus.jsonl", tmp_path / "gold.parquet")
    assert list(tmp_path.iterdir()) == []


def test_importing_the_corpus_does_not_import_spacy() -> None:
    code = "import sys, shardner.demo.corpus; print(sorted({'spacy', 'thinc'} & set(sys.modules)))"
    directory = Path(shardner.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
