"""What larger corpora would take: the arithmetic, with figures that a reader can check, and a run's own rates."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from report_fixture import Shape, build_run, shifted
from shardner.config import parse_config
from shardner.report.figures import Performance
from shardner.report.forecast import Plan, Rates, choose_slots, extrapolate, model_wall
from shardner.report.forecast_rates import plan_larger
from shardner.report.performance_file import load_performance
from shardner.report.write import write_report

#: 100 s of work, 2 s until a shard is ready, 0.5 s between two; 0.5 s of the pipeline, 3 s of split in 3 parts with
#: 0.2 s between two, 0.7 s of numbering, 2 s of merging on up to 2 cores, 1 s of anything else.
RATES = Rates(
    chars=1_000_000, shards=10, parts=3, slots=2, cores_a_slot=1, work_slot_s=100, start_up_slot_s=2,
    between_slot_s=0.5, prepare_s=0.5, split_s=3, between_part_s=0.2, number_s=0.7, merge_s=2, merges_at_once=2,
    fixed_s=1,
)  # fmt: skip
#: Of one part: all but annotating.
AROUND_S = 1 + 3 + 0.7 + 2


def measured(directory: Path, shape: Shape) -> Performance:
    return build_run(directory, shape).measure()


def test_slots_take_rounds_of_whole_shards() -> None:
    plan = Plan(parts=1, shards=10)
    annotate_s = {slots: model_wall(RATES, 1, plan, slots).wall_s - AROUND_S for slots in (1, 2, 4, 10, 64)}
    assert annotate_s[1] == pytest.approx(10 * (2 + 10) + 9 * 0.5)
    assert annotate_s[2] == pytest.approx(5 * (2 + 10) + 4 * 0.5)
    assert annotate_s[4] == pytest.approx(3 * (2 + 10) + 2 * 0.5)  # the third half empty
    assert annotate_s[10] == annotate_s[64] == pytest.approx(12)


def without_annotating_s(rates: Rates, parts: int, slots: int, times: int = 1) -> float:
    silent = dataclasses.replace(rates, work_slot_s=0, start_up_slot_s=0, between_slot_s=0)
    return model_wall(silent, times, Plan(parts, 10), slots).wall_s


def test_cores_take_rounds_of_whole_parts() -> None:
    rates = dataclasses.replace(RATES, number_s=0, merge_s=0, fixed_s=0)
    assert [without_annotating_s(rates, 3, slots) for slots in (1, 2, 4)] == pytest.approx([3.4, 2.2, 1])
    four_cores = dataclasses.replace(rates, cores_a_slot=4)
    assert without_annotating_s(four_cores, 6, 1) == pytest.approx(1.2)
    assert without_annotating_s(rates, 100, 100) == pytest.approx(0.5)  # then the pipeline is not there yet


def test_a_merge_uses_cores_up_to_a_number() -> None:
    rates = dataclasses.replace(RATES, split_s=0, between_part_s=0, prepare_s=0, number_s=0, fixed_s=0)
    assert [without_annotating_s(rates, 3, slots) for slots in (1, 2, 4)] == pytest.approx([2, 1, 1])
    free = dataclasses.replace(rates, merges_at_once=None)
    assert [without_annotating_s(free, 4, slots) for slots in (2, 4, 8)] == pytest.approx([1, 0.5, 0.5])


def test_only_split_numbering_merge_and_work_grow_with_the_corpus() -> None:
    wall = model_wall(RATES, 10, Plan(parts=1, shards=20), 2)
    assert wall.wall_s == pytest.approx(1 + 10 * (3 + 0.7 + 2) + 10 * (2 + 1000 / 20) + 9 * 0.5)


def test_half_of_the_time_is_serial_where_the_row_says_so() -> None:
    for row in extrapolate(RATES, lambda times: Plan(times * 3, times * 1_000)):
        first_s = row.times * 3 / row.parts
        side_by_side_s = row.shards * (2 + 0.5) + row.times * (100 + 3) - first_s + (row.parts - 1) * 0.2
        serial_s = 1 + first_s + row.times * (0.7 / min(8, row.parts) + 2 / 2)
        assert side_by_side_s / row.half_serial_slots == pytest.approx(serial_s)


def test_this_corpus_keeps_its_shards_and_larger_ones_are_planned() -> None:
    asked: list[int] = []
    rows = extrapolate(RATES, lambda times: asked.append(times) or Plan(times * 2, times * 7))
    assert asked == [10, 100, 1_000]
    assert [row.shards for row in rows] == [10, 70, 700, 7_000]
    assert [row.parts for row in rows] == [3, 20, 200, 2_000]
    assert [row.chars for row in rows] == [10**6, 10**7, 10**8, 10**9]


def test_slots_shown_hold_one_and_those_of_the_run() -> None:
    assert choose_slots(1) == choose_slots(2) == (1, 2, 4, 8, 16)
    assert choose_slots(6) == (1, 2, 4, 6, 8, 16)
    assert choose_slots(64) == (1, 16, 32, 64, 128, 256)


def test_a_serial_part_of_nothing_has_no_limit_but_the_shards() -> None:
    nothing = dict.fromkeys(("prepare_s", "split_s", "between_part_s", "number_s", "merge_s", "fixed_s"), 0)
    free = dataclasses.replace(RATES, **nothing)
    row = extrapolate(free, lambda times: Plan(4, 40))[1]
    assert row.half_serial_slots == 40
    assert row.walls[0].wall_s == pytest.approx(40 * (2 + 0.5) - 0.5 + 10 * 100)


def test_a_run_is_foretold_by_its_own_rates(tmp_path: Path) -> None:
    """In the fixture every slot waits 0.3 s between shards, and the merge starts at once."""
    run = build_run(tmp_path, Shape(devices=0, slots=2, workers=1, shards=16, uneven=0, chars_factor=1_000))
    performance = run.measure()
    forecast = performance.forecast
    assert forecast is not None and forecast.doubts == ()
    assert (forecast.unit, forecast.unit_plural) == ("core", "cores")
    rates = forecast.rates
    assert (rates.shards, rates.parts, rates.slots, rates.cores_a_slot) == (16, 1, 2, 1)
    assert [rates.prepare_s, rates.split_s, rates.number_s, rates.merge_s] == pytest.approx([6.2, 9.3, 0.1, 4.8])
    assert rates.merges_at_once == 8
    assert rates.start_up_slot_s == pytest.approx(3.8)
    assert rates.between_slot_s == pytest.approx(0.3)
    assert rates.work_slot_s == pytest.approx(sum(each.elapsed_s - each.start_up_s for each in performance.shards))
    # 0.2 s around the numbering, 0.3 s before the merge
    assert rates.fixed_s == pytest.approx(0.5)
    assert forecast.measured_s == pytest.approx(performance.headline.wall_s + performance.headline.between_jobs_s)
    assert forecast.modelled_s == pytest.approx(forecast.measured_s, rel=0.02)
    speed = rates.chars / rates.work_slot_s
    plans = [plan_larger(run.manifest, times, parse_config({}).corpus, speed) for times in (10, 100, 1_000)]
    assert [Plan(row.parts, row.shards) for row in forecast.rows[1:]] == plans and plans[2].parts > plans[0].parts


def test_a_pause_is_neither_between_shards_nor_fixed(tmp_path: Path) -> None:
    forecast = measured(tmp_path, Shape(pause_after=6)).forecast
    assert forecast is not None
    assert forecast.rates.between_slot_s < 1 and forecast.rates.fixed_s < 2


def test_a_wait_too_long_for_a_scheduler_is_left_out(tmp_path: Path) -> None:
    """The demo trains its pipeline between the split and the rest, in a job that leaves no record."""
    run = build_run(tmp_path)
    late = [job if job.rule in ("prepare_model", "split_part") else shifted(job, 30) for job in run.jobs]
    fixed = [run.measure(jobs=jobs).forecast for jobs in (run.jobs, late)]
    assert fixed[0] is not None and fixed[1] is not None
    assert fixed[1].rates.fixed_s == pytest.approx(fixed[0].rates.fixed_s - 0.1)  # the scheduler's wait went with it
    assert fixed[1].measured_s == pytest.approx(fixed[0].measured_s - 0.1)


@pytest.mark.parametrize(
    ("shape", "doubts"),
    [
        (Shape(), 0),
        (Shape(shards=2, shard_s=20), 1),  # short
        (Shape(shards=40, shard_s=4, uneven=0), 1),  # all start-up
        (Shape(shards=2, shard_s=2), 2),
    ],
)
def test_a_short_run_or_one_of_start_up_is_doubted(tmp_path: Path, shape: Shape, doubts: int) -> None:
    forecast = measured(tmp_path, shape).forecast
    assert forecast is not None and len(forecast.doubts) == doubts


def test_units_are_gpus_cores_or_jobs(tmp_path: Path) -> None:
    units = {
        "GPU": Shape(),
        "core": Shape(devices=0, workers=1),
        "job of 3 cores": Shape(devices=0, workers=3),
    }
    for number, (unit, shape) in enumerate(units.items()):
        forecast = measured(tmp_path / str(number), shape).forecast
        assert forecast is not None and forecast.unit == unit


def test_an_empty_corpus_foretells_nothing(tmp_path: Path) -> None:
    run = build_run(tmp_path, Shape(documents=0, shards=1, rejected=0))
    assert write_report(**run.arguments(tmp_path)).forecast is None
    assert load_performance(tmp_path / "performance.json").forecast is None
    assert ">Forecast<" not in (tmp_path / "report.html").read_text("utf-8")


def test_the_forecast_comes_back_from_the_file(tmp_path: Path) -> None:
    written = write_report(**build_run(tmp_path).arguments(tmp_path)).forecast
    loaded = load_performance(tmp_path / "performance.json").forecast
    assert written is not None and loaded is not None
    assert loaded.rows[3].walls[1].wall_s == pytest.approx(written.rows[3].walls[1].wall_s, abs=1e-5)
    assert dataclasses.asdict(loaded).keys() == dataclasses.asdict(written).keys()
