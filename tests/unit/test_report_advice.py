"""Each piece of advice: what brings it about, and that its sentence holds the numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pytest
from report_fixture import GB, Shape, build_run
from shardner.data.job_files import read_job, write_job
from shardner.data.metrics import HostResources, Job
from shardner.report.advice import advise, good_shard_count
from shardner.report.figures import Advice, Performance
from shardner.report.performance_file import load_performance
from shardner.report.write import write_report

CALM = Shape(shards=8, start_up_s=0.4, load_s=0.4, shard_s=80, uneven=0.01, rejected=0)


def recorded(jobs: Iterable[Job], directory: Path) -> list[Job]:
    """Return the jobs as their records on disk tell them."""
    for number, job in enumerate(jobs):
        write_job(directory / "jobs" / f"{number:05d}.json", job)
    return [read_job(path) for path in sorted((directory / "jobs").iterdir())]


def run_of(directory: Path, shape: Shape) -> Performance:
    run = build_run(directory, shape)
    return run.measure(jobs=recorded(run.jobs, directory))


def kinds(performance: Performance) -> list[str]:
    return [advice.kind for advice in advise(performance)]


def only(performance: Performance, kind: str) -> Advice:
    (found,) = [advice for advice in advise(performance) if advice.kind == kind]
    return dataclasses.replace(found, text=found.text.replace("\N{NO-BREAK SPACE}", " "))


def test_nothing_stands_out_in_an_even_run(tmp_path: Path) -> None:
    assert "9" in only(run_of(tmp_path, CALM), "nothing").text
    assert kinds(run_of(tmp_path / "again", CALM)) == ["nothing"]


def test_much_start_up_asks_for_fewer_shards(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=80, start_up_s=4, load_s=2, shard_s=30))
    advice = only(performance, "start_up")
    wanted = good_shard_count(performance)
    assert 8 <= wanted < 80
    assert advice.setting == f"shards.count: {wanted}"
    assert f"try {wanted} instead of 80" in advice.text
    assert "17 %" in advice.text
    assert "saves about" in advice.text


def test_the_number_of_shards_advised_brings_start_up_down(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=80, start_up_s=4, load_s=2, shard_s=30))
    start_up_s = performance.lost.start_up_worker_s * good_shard_count(performance) / 80
    work_s = sum(figure.worker_s for figure in performance.phases) - performance.lost.start_up_worker_s
    assert start_up_s / (start_up_s + work_s) == pytest.approx(0.03, abs=0.003)


def test_start_up_with_a_shard_a_slot_asks_for_nothing(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=2, start_up_s=20))
    advice = only(performance, "start_up")
    assert advice.setting is None
    assert "1 shard a slot" in advice.text


def test_an_uneven_end_asks_for_more_shards(tmp_path: Path) -> None:
    advice = only(run_of(tmp_path, dataclasses.replace(CALM, shards=3)), "imbalance")
    assert advice.setting == "shards.count: 8"
    assert "25 % of the time" in advice.text


def test_one_slow_shard_is_named(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=8))
    lost = dataclasses.replace(performance.lost, tail_idle_share=0.2, tail_idle_s=66.0)
    balance = dataclasses.replace(performance.balance, longest_shard=5, longest_s=200.0, elapsed_max_over_mean=2.5)
    text = only(dataclasses.replace(performance, lost=lost, balance=balance), "imbalance").text
    assert "Shard 5 took 3 min 20 s, 2.5 times the mean" in text


def test_an_uneven_end_with_many_even_shards_asks_for_smaller_ones(tmp_path: Path) -> None:
    performance = run_of(tmp_path, CALM)
    lost = dataclasses.replace(performance.lost, tail_idle_share=0.1, tail_idle_s=30.0)
    assert only(dataclasses.replace(performance, lost=lost), "imbalance").setting == "shards.count: 16"


def test_start_up_and_an_uneven_end_do_not_contradict_each_other(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=3, start_up_s=10))
    assert "trade_off" in kinds(performance)
    assert not {"start_up", "imbalance"} & set(kinds(performance))
    assert "3 shards are a fair balance" in only(performance, "trade_off").text


def test_fewer_shards_than_devices_present_asks_for_more(tmp_path: Path) -> None:
    """From the records of jobs that saw eight devices, of which two were used, to figures, page and advice."""
    run = build_run(tmp_path, dataclasses.replace(CALM, shards=2, devices=2, devices_present=8))
    run = dataclasses.replace(run, jobs=recorded(run.jobs, tmp_path))
    write_report(**run.arguments(tmp_path))
    performance = load_performance(tmp_path / "performance.json")
    (advice,) = [each for each in performance.advice if each.kind == "too_few_shards"]
    assert advice.setting == "shards.count: 32"
    assert "8 devices: 6 had nothing to do" in advice.text
    assert "8 devices: 6 had nothing to do" in (tmp_path / "report.html").read_text("utf-8")


def test_devices_of_several_hosts_add_up(tmp_path: Path) -> None:
    run = build_run(tmp_path, dataclasses.replace(CALM, shards=2, devices=2, devices_present=4))
    moved = [dataclasses.replace(job, host="node-b") if job.shard == 1 else job for job in run.jobs]
    advice = only(run.measure(jobs=recorded(moved, tmp_path)), "too_few_shards")
    assert "8 devices: 6 had nothing to do" in advice.text


def test_jobs_that_saw_only_their_own_device_leave_none_idle(tmp_path: Path) -> None:
    """So it is where Slurm gives each job one GPU."""
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=2, devices=2, devices_present=1))
    assert performance.hardware.devices == 2
    assert "too_few_shards" not in kinds(performance)


def test_as_many_shards_as_devices_present_are_enough(tmp_path: Path) -> None:
    shape = dataclasses.replace(CALM, shards=8, devices=2, devices_present=8)
    assert "too_few_shards" not in kinds(run_of(tmp_path, shape))


def test_fewer_shards_than_places_on_the_cores_asks_for_more(tmp_path: Path) -> None:
    shape = dataclasses.replace(CALM, shards=2, devices=0, slots=2, workers=4)
    assert only(run_of(tmp_path, shape), "too_few_shards").setting == "shards.count: 16"


def test_the_cores_of_every_host_count(tmp_path: Path) -> None:
    run = build_run(tmp_path, dataclasses.replace(CALM, shards=2, devices=0, slots=2, workers=4, cores=8))
    moved = [dataclasses.replace(job, host="node-b") if job.shard == 1 else job for job in run.jobs]
    advice = only(run.measure(jobs=recorded(moved, tmp_path)), "too_few_shards")
    assert "4 places for a job on the cores: 2 had nothing to do" in advice.text


def test_cores_that_jobs_could_not_use_are_not_idle(tmp_path: Path) -> None:
    """So it is where a scheduler gives each job some cores of a host."""
    run = build_run(tmp_path, dataclasses.replace(CALM, shards=2, devices=0, slots=2, workers=4))
    few = [dataclasses.replace(job, host_resources=HostResources(64, 8, 128 * GB)) for job in run.jobs]
    assert "too_few_shards" not in kinds(run.measure(jobs=recorded(few, tmp_path)))


def test_records_that_tell_nothing_of_their_host_give_no_advice_on_it(tmp_path: Path) -> None:
    run = build_run(tmp_path, dataclasses.replace(CALM, shards=2, devices=0, slots=2, workers=4))
    silent = [dataclasses.replace(job, host_resources=None) for job in run.jobs]
    assert "too_few_shards" not in kinds(run.measure(jobs=recorded(silent, tmp_path)))


def test_shards_that_waited_for_one_another_were_not_too_few(tmp_path: Path) -> None:
    shape = dataclasses.replace(CALM, shards=4, devices=0, slots=2, workers=1)
    assert "too_few_shards" not in kinds(run_of(tmp_path, shape))


def test_one_worker_a_device_beside_idle_cores_asks_for_more(tmp_path: Path) -> None:
    advice = only(run_of(tmp_path, dataclasses.replace(CALM, workers=1)), "single_worker")
    assert "14 of 16 cores" in advice.text
    assert advice.setting is not None
    assert "ner.threads: 8" in advice.setting


def test_one_worker_a_device_is_right_without_cores_to_spare(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, workers=1, cores=2))
    assert "single_worker" not in kinds(performance)


def test_workers_that_wait_ask_for_fewer(tmp_path: Path) -> None:
    performance = run_of(tmp_path, CALM)
    lost = dataclasses.replace(performance.lost, worker_idle_share=0.3)
    advice = only(dataclasses.replace(performance, lost=lost), "idle_workers")
    assert "30 %" in advice.text
    assert advice.setting == "ner.threads: 1"


def test_a_full_device_is_told(tmp_path: Path) -> None:
    assert (
        "3.0 GiB" in only(run_of(tmp_path, dataclasses.replace(CALM, device_memory_bytes=3 * GB)), "memory_full").text
    )


def test_an_empty_device_asks_for_larger_batches_where_recognising_dominates(tmp_path: Path) -> None:
    performance = run_of(tmp_path, CALM)
    assert "memory_headroom" not in kinds(performance)
    phases = tuple(
        dataclasses.replace(figure, share=0.7) if figure.phase == "recognise" else figure
        for figure in performance.phases
    )
    advice = only(dataclasses.replace(performance, phases=phases), "memory_headroom")
    assert "139 GiB" in advice.text
    assert advice.setting is not None


def test_a_full_host_asks_for_fewer_workers(tmp_path: Path) -> None:
    advice = only(run_of(tmp_path, dataclasses.replace(CALM, memory_bytes=8 * GB)), "host_memory_full")
    assert "6 workers of up to" in advice.text


def test_many_rejected_records_are_told_with_their_reason(tmp_path: Path) -> None:
    text = only(run_of(tmp_path, dataclasses.replace(CALM, rejected=30)), "rejected").text
    assert "30 of 270" in text
    assert "duplicate id …" in text


def test_few_rejected_records_are_not_worth_a_sentence(tmp_path: Path) -> None:
    assert kinds(run_of(tmp_path, dataclasses.replace(CALM, rejected=2))) == ["nothing"]


def test_a_small_corpus_is_left_in_peace(tmp_path: Path) -> None:
    performance = run_of(tmp_path, Shape(shards=3, shard_s=1, rejected=0))
    assert kinds(performance) == ["small"]
    assert "too small for tuning to matter" in only(performance, "small").text


def test_an_empty_corpus_is_said_to_be_empty(tmp_path: Path) -> None:
    performance = run_of(tmp_path, Shape(documents=0, shards=1, rejected=3))
    assert kinds(performance) == ["empty", "rejected"]


def test_unused_cores_come_first_and_nothing_speaks_against_them(tmp_path: Path) -> None:
    """One core of four was used: the advice is no smaller number of shards, which would leave cores without any."""
    shape = dataclasses.replace(CALM, shards=8, devices=0, slots=1, workers=1, cores=4, start_up_s=6, load_s=2)
    performance = run_of(tmp_path, shape)
    advice = advise(performance)
    assert advice[0].kind == "unused_cores" and advice[0].setting == "--cores 4"
    text = only(performance, "unused_cores").text
    assert "The machine has 4 cores, and the run used 1." in text and "instead of" in text
    assert not any((each.setting or "").startswith("shards") for each in advice)
    assert performance.forecast is not None
    took = {wall.slots: wall.wall_s for wall in performance.forecast.rows[0].walls}
    assert took[4] < took[1] / 2


def test_cores_that_no_shard_is_left_for_are_not_advised(tmp_path: Path) -> None:
    shape = dataclasses.replace(CALM, shards=1, devices=0, slots=1, workers=1, cores=1)
    assert "unused_cores" not in kinds(run_of(tmp_path, shape))
    full = dataclasses.replace(CALM, shards=8, devices=0, slots=4, workers=1, cores=4)
    assert "unused_cores" not in kinds(run_of(tmp_path / "full", full))


def test_unreliable_figures_give_no_advice_about_cores(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=8, devices=0, slots=1, workers=1, cores=4))
    assert performance.forecast is not None
    doubtful = dataclasses.replace(performance.forecast, doubts=("too short",))
    assert "unused_cores" not in kinds(dataclasses.replace(performance, forecast=doubtful))


def test_what_saves_little_is_not_advised(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=16, start_up_s=2.5, load_s=1, shard_s=60))
    assert performance.lost.start_up_share > 0.05 and "start_up" not in kinds(performance)


def test_another_number_of_shards_has_its_price(tmp_path: Path) -> None:
    performance = run_of(tmp_path, dataclasses.replace(CALM, shards=80, start_up_s=4, load_s=2, shard_s=30))
    assert only(performance, "start_up").text.endswith("Another number of shards annotates the whole corpus anew.")
