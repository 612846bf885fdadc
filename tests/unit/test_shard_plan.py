import math
from pathlib import Path

import pytest
from shardner.parse.shard_plan import (
    CHARS_PER_S,
    GPU_CHARS_PER_S,
    MOST_PART_SHARDS,
    MOST_SHARDS,
    MOST_STRETCHES,
    PART_CHARS,
    START_UP_S,
    decide_sizes,
    estimate_chars,
    plan_shards,
)


def test_an_empty_corpus_is_one_shard() -> None:
    assert plan_shards(0) == 1


def test_a_small_corpus_still_gives_a_device_four_shards() -> None:
    for chars in (3_400_000, 3_800_000, 10_000_000, 40_000_000):
        assert 4 <= plan_shards(chars) <= 8


def test_starting_up_takes_at_most_a_twentieth_of_a_job_of_a_large_corpus() -> None:
    for chars_per_s in (CHARS_PER_S, GPU_CHARS_PER_S):
        for chars in (1_600_000_000, 30_000_000_000):
            job_s = chars / plan_shards(chars, chars_per_s) / chars_per_s + START_UP_S
            assert START_UP_S / job_s <= 0.05


def test_the_number_of_shards_is_bounded() -> None:
    counts = [plan_shards(10**power) for power in range(15)]
    assert counts[:9] == sorted(counts[:9]) and all(MOST_SHARDS // 2 < count <= MOST_SHARDS for count in counts[11:])


def test_sizes_are_those_of_a_large_corpus_times_a_power_of_two() -> None:
    usual = decide_sizes(1_000_000_000)
    for power in range(15):
        sizes = decide_sizes(10**power)
        assert math.log2(sizes.shard_chars / usual.shard_chars) == pytest.approx(
            round(math.log2(sizes.shard_chars / usual.shard_chars)), abs=1e-5
        )
        assert sizes.shard_chars <= sizes.part_chars <= MOST_PART_SHARDS * sizes.shard_chars
        assert 10**power <= MOST_STRETCHES * sizes.part_chars


def test_a_part_is_no_longer_than_a_first_job_may_wait() -> None:
    """A part of an ordinary corpus has two shards, and one for a GPU: nothing is annotated before the first one."""
    for chars in (100_000_000, 10**9, 20 * 10**9):
        sizes, on_gpus = decide_sizes(chars), decide_sizes(chars, GPU_CHARS_PER_S)
        assert sizes.part_chars == PART_CHARS and PART_CHARS // sizes.shard_chars == 2
        assert on_gpus.part_chars == max(PART_CHARS, on_gpus.shard_chars)


def test_a_corpus_that_grows_by_a_file_keeps_its_sizes() -> None:
    sizes = [decide_sizes(chars).shard_chars for chars in range(60_000_000, 10**9, 10_000_000)]
    assert len(set(sizes)) == 1


def test_compressed_files_count_for_more_than_their_bytes() -> None:
    plain, packed = (Path("a.jsonl"), 1_000), (Path("b.jsonl.gz"), 1_000)
    assert estimate_chars([plain]) == 1_000
    assert estimate_chars([plain, packed]) > 3_000
