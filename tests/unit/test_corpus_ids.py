from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from shardner.corpus import seen_ids as ids
from shardner.corpus.seen_ids import SeenIds, SeenInRanges, hash_ids
from shardner.errors import CorpusError


def new(seen: SeenIds, *values: str) -> list[bool]:
    return seen.add(pl.Series(values, dtype=pl.String)).tolist()


def test_an_id_is_new_once(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    assert new(seen, "a", "b") == [True, True]
    assert new(seen, "b", "c", "a") == [False, True, False]
    assert len(seen) == 3


def test_the_first_of_equal_ids_in_a_batch_is_new(tmp_path: Path) -> None:
    assert new(SeenIds(tmp_path), "a", "a", "b", "a", "b") == [True, False, True, False, False]


def test_no_ids_are_no_trouble(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    assert new(seen) == []
    assert new(seen, "a") == [True]
    assert new(seen) == []


@pytest.mark.parametrize("in_memory", [1, 50, 1 << 20])
def test_it_agrees_with_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(ids, "RUN_IN_MEMORY", in_memory)
    rng = random.Random(7)
    seen, expected = SeenIds(tmp_path), set[str]()
    for _ in range(60):
        batch = [str(rng.randrange(1500)) for _ in range(rng.randrange(40))]
        fresh = [not (value in expected or expected.add(value)) for value in batch]  # type: ignore[func-returns-value]
        assert new(seen, *batch) == fresh
    assert len(seen) == len(expected)


def test_equal_first_halves_are_told_apart_by_the_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hashes(values: pl.Series) -> np.ndarray[Any, Any]:
        numbers = values.cast(pl.UInt64).to_numpy()
        return np.stack([numbers // np.uint64(100), numbers])

    monkeypatch.setattr(ids, "hash_ids", hashes)
    monkeypatch.setattr(ids, "RUN_IN_MEMORY", 16)
    seen, expected = SeenIds(tmp_path), set[int]()
    rng = random.Random(3)
    for _ in range(40):
        batch = [rng.randrange(1000) for _ in range(10)]
        fresh = [not (value in expected or expected.add(value)) for value in batch]  # type: ignore[func-returns-value]
        assert new(seen, *map(str, batch)) == fresh


def test_runs_are_few_and_nothing_is_left_in_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "RUN_IN_MEMORY", 256)
    seen = SeenIds(tmp_path)
    for batch in range(200):
        new(seen, *(f"{batch}-{number}" for number in range(16)))
    assert len(seen._runs) <= 10
    assert any(isinstance(run.hashes, np.memmap) for run in seen._runs)
    assert list(tmp_path.iterdir()) == []


def test_the_halves_of_a_hash_do_not_collide_together() -> None:
    first, second = ids.hash_ids(pl.Series([f"doc-{number}" for number in range(50_000)]))
    assert len(set(first.tolist())) == len(set(second.tolist())) == 50_000
    assert abs(np.corrcoef(first.astype(float), second.astype(float))[0, 1]) < 0.05


def test_a_scratch_directory_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "RUN_IN_MEMORY", 1)
    seen = SeenIds(tmp_path / "missing")
    new(seen, "a")
    with pytest.raises(CorpusError, match="the set of ids cannot be written: No such file"):
        new(seen, "b")


def test_sets_by_range_agree_with_one_set(tmp_path: Path) -> None:
    rng = random.Random(8)
    with ThreadPoolExecutor(3) as pool:
        seen, one = SeenInRanges(tmp_path, pool), SeenIds(tmp_path)
        for _ in range(30):
            batch = pl.Series([str(rng.randrange(900)) for _ in range(rng.randrange(60))], dtype=pl.String)
            assert seen.add_hashes(hash_ids(batch)).tolist() == one.add(batch).tolist()
