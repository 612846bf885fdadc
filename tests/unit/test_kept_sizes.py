"""The sizes of shards and parts are those of the first run, wherever the next one runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shardner.parse.kept_sizes import find_sizes, keep_sizes, kept_path
from shardner.parse.shard_plan import CHARS_PER_S, GPU_CHARS_PER_S, MOST_STRETCHES, decide_sizes

CHARS = 2_000_000_000


def test_a_gpu_wants_larger_shards_than_a_core(tmp_path: Path) -> None:
    core, gpu = (find_sizes(tmp_path, 10 * CHARS, on_gpus=on_gpus) for on_gpus in (False, True))
    assert gpu.shard_chars > 10 * core.shard_chars
    assert (core.chars_per_s, gpu.chars_per_s) == (CHARS_PER_S, GPU_CHARS_PER_S)


def test_a_run_that_goes_on_elsewhere_plans_the_same(tmp_path: Path) -> None:
    first = find_sizes(tmp_path, CHARS, on_gpus=True)
    keep_sizes(tmp_path, first)
    assert find_sizes(tmp_path, CHARS, on_gpus=False) == first
    assert find_sizes(tmp_path, CHARS + 10**6, on_gpus=False) == first


def test_a_corpus_that_outgrew_its_shards_gets_others(tmp_path: Path) -> None:
    keep_sizes(tmp_path, find_sizes(tmp_path, 1_000_000, on_gpus=False))
    small = find_sizes(tmp_path, 10_000_000, on_gpus=False)
    large = find_sizes(tmp_path, CHARS, on_gpus=False)
    assert small.shard_chars == decide_sizes(1_000_000).shard_chars and large.sizes == decide_sizes(CHARS)


def test_a_corpus_of_too_many_parts_gets_larger_ones(tmp_path: Path) -> None:
    first = find_sizes(tmp_path, CHARS, on_gpus=False)
    keep_sizes(tmp_path, first)
    most = MOST_STRETCHES * first.part_chars
    assert find_sizes(tmp_path, 3 * most, on_gpus=False) == first
    later = find_sizes(tmp_path, 5 * most, on_gpus=False)
    assert later.part_chars > 4 * first.part_chars and later.sizes == decide_sizes(5 * most)


def test_an_estimate_says_how_fast_a_job_is(tmp_path: Path) -> None:
    estimate = {"measured": {"chars_per_s": 5_000.0}, "workers_a_job": 2}
    (tmp_path / "estimate.json").write_text(json.dumps(estimate))
    slow = find_sizes(tmp_path, CHARS, on_gpus=False)
    assert slow.chars_per_s == CHARS_PER_S / 32
    assert slow.shard_chars < find_sizes(tmp_path / "no", CHARS, on_gpus=False).shard_chars


def test_a_report_says_how_fast_a_job_is_on_the_same_kind_of_device(tmp_path: Path) -> None:
    forecast = {"unit": "GPU", "rates": {"chars": 80_000_000, "work_slot_s": 2.0}}
    (tmp_path / "performance.json").write_text(json.dumps({"forecast": forecast}))
    assert find_sizes(tmp_path, CHARS, on_gpus=True).chars_per_s == 4 * GPU_CHARS_PER_S
    assert find_sizes(tmp_path, CHARS, on_gpus=False).chars_per_s == CHARS_PER_S


NO_SIZES = '{"shard_chars": 0, "part_chars": 1, "chars_per_s": 1}'


@pytest.mark.parametrize("text", ["", "[]", "{}", NO_SIZES, "null", "\0"])
def test_a_file_that_says_nothing_is_as_none(tmp_path: Path, text: str) -> None:
    kept_path(tmp_path).parent.mkdir(parents=True)
    kept_path(tmp_path).write_text(text)
    assert find_sizes(tmp_path, CHARS, on_gpus=False).sizes == decide_sizes(CHARS)
