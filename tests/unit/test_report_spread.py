from __future__ import annotations

from pathlib import Path

import pytest
from report_fixture import Shape, build_run
from shardner.report.figures import ShardFigure
from shardner.report.spread import measure_spread
from shardner.report.write import write_report


def shard(number: int, elapsed_s: float, chars: int = 100) -> ShardFigure:
    return ShardFigure(number, 1, chars, 50, 3, elapsed_s, 1.0, number << 20, 0)


def test_five_numbers_are_those_of_the_shards_that_hold_anything() -> None:
    shards = [shard(number, seconds) for number, seconds in enumerate((2.0, 3.0, 4.0, 5.0, 10.0))]
    spread = {each.figure: each for each in measure_spread([*shards, shard(5, 1_000, chars=0)])}
    time = spread["elapsed_s"]
    assert (time.smallest, time.lower_quartile, time.median, time.upper_quartile, time.largest) == (2, 3, 4, 5, 10)
    assert spread["tokens_per_s"].largest == pytest.approx(50 / (2 - 1))  # start-up is no work
    assert spread["peak_rss_bytes"].median == 2 << 20
    assert "peak_device_bytes" not in spread


def test_one_shard_has_no_spread(tmp_path: Path) -> None:
    assert measure_spread([shard(0, 1)]) == measure_spread([]) == ()
    write_report(**build_run(tmp_path, Shape(shards=1)).arguments(tmp_path))
    assert "Spread over the shards" not in (tmp_path / "report.html").read_text("utf-8")


def test_the_page_shows_the_spread_of_gpus_memory(tmp_path: Path) -> None:
    performance = write_report(**build_run(tmp_path).arguments(tmp_path))
    assert [each.figure for each in performance.spread][-1] == "peak_device_bytes"
    assert "Memory of the device" in (tmp_path / "report.html").read_text("utf-8")
