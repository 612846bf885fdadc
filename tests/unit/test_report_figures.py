from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from report_fixture import START_S, Run, Shape, build_run
from shardner.data.metrics import GpuUse, HostResources
from shardner.data.typed_json import from_plain, to_plain
from shardner.demo.score import Score, ScoreBand, Scores
from shardner.errors import JsonFileError
from shardner.report.figures import Performance
from shardner.report.hardware import find_hardware
from shardner.report.performance_file import load_performance
from shardner.report.write import write_report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return build_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def performance(run: Run) -> Performance:
    return run.measure()


def test_headline_agrees_with_the_result_tables(run: Run, performance: Performance) -> None:
    headline = performance.headline
    documents = pl.read_parquet(run.results / "documents.parquet")
    assert headline.documents == documents.height == run.manifest.documents
    assert headline.tokens == documents["tokens"].sum()
    assert headline.entities == documents["entities"].sum() == sum(each.entities for each in performance.labels)
    assert headline.rejected == sum(each.count for each in performance.rejected) == 7
    assert headline.reused_documents == sum(job.totals.reused for job in run.jobs)
    assert headline.tokens_per_s == pytest.approx(headline.tokens / headline.annotate_wall_s)


def test_phases_and_shares_add_up(run: Run, performance: Performance) -> None:
    worker_s = sum(sum(job.totals.seconds.values()) for job in run.jobs)
    assert sum(figure.worker_s for figure in performance.phases) == pytest.approx(worker_s)
    assert sum(figure.share for figure in performance.phases) == pytest.approx(1)
    start_up = sum(figure.share for figure in performance.phases if figure.phase in ("start_up", "load"))
    assert performance.lost.start_up_share == pytest.approx(start_up)


def test_every_shard_and_every_rule_has_its_figures(run: Run, performance: Performance) -> None:
    assert [shard.shard for shard in performance.shards] == list(range(12))
    assert sum(shard.chars for shard in performance.shards) == run.manifest.chars
    assert [(rule.rule, rule.jobs) for rule in performance.rules] == [
        ("prepare_model", 1),
        ("split_part", 1),
        ("number_documents", 1),
        ("annotate_shard", 12),
        ("merge_parts", 1),
    ]
    assert [shard.start_up_s for shard in performance.shards] == pytest.approx([3.8] * 12)


def test_timeline_has_a_row_a_worker_and_its_parts_fill_it(performance: Performance) -> None:
    rows = [row for row in performance.timeline if row.rule == "annotate_shard"]
    assert len(rows) == 12 * 3
    assert {row.lane for row in rows} == {f"gpu {gpu} worker {worker}" for gpu in (0, 1) for worker in (0, 1, 2)}
    for row in rows:
        parts_s = row.start_up_s + row.load_s + row.annotate_s
        assert parts_s == pytest.approx(row.end_offset_s - row.start_offset_s)
        assert min(row.start_up_s, row.load_s, row.annotate_s) >= 0


def test_order_of_the_jobs_does_not_matter(run: Run, performance: Performance) -> None:
    shuffled = random.Random(3).sample(run.jobs, len(run.jobs))
    again = dataclasses.asdict(run.measure(jobs=shuffled))
    once = dataclasses.asdict(performance)
    assert json.dumps(again["timeline"]) == json.dumps(once["timeline"])
    assert again["headline"] == once["headline"]


def test_the_pause_of_a_resumed_run_is_not_counted(tmp_path: Path) -> None:
    resumed = build_run(tmp_path / "a", Shape(pause_after=6)).measure()
    straight = build_run(tmp_path / "b", Shape()).measure()
    assert [round(pause.pause_s) for pause in resumed.pauses] == [8 * 3600]
    assert resumed.headline.wall_s == pytest.approx(straight.headline.wall_s, abs=15)
    assert max(row.end_offset_s for row in resumed.timeline) == pytest.approx(resumed.headline.wall_s)


def test_an_idle_slot_at_the_end_is_lost_to_the_tail(tmp_path: Path) -> None:
    run = build_run(tmp_path, Shape(shards=3, workers=1, uneven=0))
    lost = run.measure().lost
    assert lost.slots == 2
    assert lost.tail_idle_share == pytest.approx(0.25, abs=0.01)  # one of two slots idle for the second half
    assert lost.slot_idle_share == pytest.approx(0.25, abs=0.01)


def test_jobs_on_the_cpu_get_slots_by_what_ran_side_by_side(tmp_path: Path) -> None:
    performance = build_run(tmp_path, Shape(devices=0, slots=3, workers=1)).measure()
    (device,) = performance.devices
    assert (device.label, device.slots, device.jobs) == ("cpu", 3, 12)
    lanes = {row.lane for row in performance.timeline if row.rule == "annotate_shard"}
    assert lanes == {"cpu slot 0", "cpu slot 1", "cpu slot 2"}


def test_devices_of_several_hosts_are_told_apart(run: Run) -> None:
    moved = [
        dataclasses.replace(job, host="node-b", device_uuid=f"B-{job.device_uuid}") if job.shard in (1, 3) else job
        for job in run.jobs
    ]
    labels = [device.label for device in run.measure(jobs=moved).devices]
    assert len(labels) == len(set(labels))
    assert {label.split()[0] for label in labels} == {"node-a", "node-b"}


def test_a_run_without_workers_or_jobs_is_measured(run: Run) -> None:
    bare = [dataclasses.replace(job, workers=()) for job in run.jobs]
    assert len(run.measure(jobs=bare).timeline) == len(run.jobs)
    nothing = run.measure(jobs=[])
    assert nothing.headline.wall_s == nothing.headline.tokens_per_s == 0
    assert nothing.balance.longest_shard is None


def test_an_empty_corpus_is_measured(tmp_path: Path) -> None:
    performance = build_run(tmp_path, Shape(documents=0, shards=1, rejected=0)).measure()
    assert performance.headline.documents == performance.headline.entities == performance.headline.tokens == 0
    assert performance.labels == performance.rejected == ()
    assert performance.balance.shards == 0


def test_performance_json_holds_everything_and_comes_back(run: Run, tmp_path: Path) -> None:
    written = write_report(**run.arguments(tmp_path))
    assert load_performance(tmp_path / "performance.json") == from_plain(to_plain(written, digits=6), Performance)
    data = json.loads((tmp_path / "performance.json").read_text("utf-8"))
    assert list(data) == [field.name for field in dataclasses.fields(Performance)]
    assert not list(tmp_path.glob(".*tmp"))
    (tmp_path / "broken.json").write_text(json.dumps(data | {"lost": data["lost"] | {"slots": "two"}}))
    with pytest.raises(JsonFileError, match=r"broken\.json: lost\.slots should be a whole number, not 'two'"):
        load_performance(tmp_path / "broken.json")


def test_scores_of_all_labels_come_first(run: Run) -> None:
    scores = Scores(overall=Score(3, 1, 0), by_label={"X": Score(3, 0, 0), "Y": Score(0, 0, 1)})
    overall, x, y = run.measure(scores=scores).scores
    assert (overall.label, overall.precision, overall.recall) == (None, 0.75, 1.0)
    assert (x.label, x.precision, x.f) == ("X", 1.0, 1.0)
    assert (y.label, y.precision, y.recall) == ("Y", None, 0.0)
    assert run.measure().scores == ()


def test_bands_of_scores_are_figures_as_they_are(run: Run) -> None:
    bands = (ScoreBand(0.25, 0.5, 4, 0.5), ScoreBand(0.5, 1.0, 4, 1.0))
    scores = Scores(overall=Score(6, 2, 0), by_label={}, bands=bands)
    assert run.measure(scores=scores).precision_by_score == bands
    assert run.measure().precision_by_score == ()


def test_hardware_is_that_of_the_smallest_host_and_device(run: Run) -> None:
    found = find_hardware(run.jobs)
    assert (found.cores_per_host, found.host_memory_bytes) == (16, 128 << 30)
    assert (found.devices, found.device_memory_bytes) == (2, 139 << 30)
    smaller = dataclasses.replace(
        run.jobs[3], host="node-b", host_resources=HostResources(64, 4, 1 << 30), device_memory_bytes=1 << 33
    )
    found = find_hardware([*run.jobs, smaller])
    assert (found.cores_per_host, found.host_memory_bytes) == (4, 1 << 30)
    assert (found.devices, found.device_memory_bytes) == (4, 1 << 33)


def test_hardware_that_no_record_tells_of_is_null(tmp_path: Path) -> None:
    jobs = [dataclasses.replace(job, host_resources=None) for job in build_run(tmp_path, Shape(devices=0)).jobs]
    assert set(dataclasses.asdict(find_hardware(jobs)).values()) == {None}


def test_offsets_start_at_the_first_job(performance: Performance, run: Run) -> None:
    assert min(job.started_at_s for job in run.jobs) == START_S
    assert performance.timeline[0].start_offset_s == 0


def sampled_by(jobs: list[Any], **changes: Any) -> list[Any]:
    """Return the jobs as if NVML had been asked while they had their GPU."""
    use = GpuUse(
        utilisation_s=6, utilisation_measured_s=10, memory_byte_s=10 << 30, memory_measured_s=10,
        memory_peak_bytes=2 << 30, power_j=4_000, power_measured_s=10, energy_j=3_600, energy_jobs=1,
    )  # fmt: skip
    use = dataclasses.replace(use, **changes)
    return [dataclasses.replace(job, gpu_use=use) if job.device_uuid else job for job in jobs]


def test_what_gpus_did_is_summed_by_device(run: Run) -> None:
    performance = run.measure(jobs=sampled_by(run.jobs))
    for device in performance.devices:
        assert (device.utilisation_share, device.power_w, device.memory_peak_bytes) == (0.6, 400, 2 << 30)
        assert device.memory_mean_bytes == 1 << 30 and device.energy_j == 3_600 * device.jobs
    tokens = sum(job.totals.tokens for job in run.jobs)
    assert performance.headline.joules_per_million_tokens == pytest.approx(12 * 3_600 / tokens * 1e6)


def test_what_a_gpu_does_not_report_is_null(run: Run) -> None:
    silent = {"energy_j": 0.0, "energy_jobs": 0, "utilisation_s": 0.0, "utilisation_measured_s": 0.0}
    performance = run.measure(jobs=sampled_by(run.jobs, **silent))
    assert performance.headline.joules_per_million_tokens is None
    assert {(each.utilisation_share, each.energy_j) for each in performance.devices} == {(None, None)}


def test_gpus_are_called_by_their_numbers_where_each_has_its_own(run: Run) -> None:
    numbers = {None: None, "GPU-0": 6, "GPU-1": 2}
    jobs = [dataclasses.replace(job, device_number=numbers[job.device_uuid]) for job in run.jobs]
    assert [device.label for device in run.measure(jobs=jobs).devices] == ["gpu 2", "gpu 6"]
    slices = [dataclasses.replace(job, device_number=3) if job.device_uuid else job for job in jobs]
    assert [device.label for device in run.measure(jobs=slices).devices] == ["gpu 0", "gpu 1"]
