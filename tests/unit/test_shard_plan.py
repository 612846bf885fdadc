from pathlib import Path

from shardner.parse.shard_plan import CHARS_PER_S, MOST_SHARDS, START_UP_S, estimate_chars, plan_shards


def test_an_empty_corpus_is_one_shard() -> None:
    assert plan_shards(0) == 1


def test_a_small_corpus_still_gives_a_device_four_shards() -> None:
    assert plan_shards(3_000_000) == 4


def test_starting_up_takes_at_most_a_twentieth_of_a_job_of_a_large_corpus() -> None:
    for chars in (60_000_000, 300_000_000, 5_000_000_000):
        job_s = chars / plan_shards(chars) / CHARS_PER_S + START_UP_S
        assert START_UP_S / job_s <= 0.05


def test_the_number_of_shards_never_falls_as_the_corpus_grows_and_is_bounded() -> None:
    counts = [plan_shards(10**power) for power in range(15)]
    assert counts == sorted(counts)
    assert counts[-1] == MOST_SHARDS


def test_compressed_files_count_for_more_than_their_bytes() -> None:
    plain, packed = (Path("a.jsonl"), 1_000), (Path("b.jsonl.gz"), 1_000)
    assert estimate_chars([plain]) == 1_000
    assert estimate_chars([plain, packed]) > 3_000
