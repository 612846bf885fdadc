import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.data.job_files import read_job, write_job
from shardner.data.job_recording import measured_job
from shardner.data.metrics import GpuUse, Job, Phase, Totals, Worker, add_up
from shardner.data.stopwatch import Stopwatch

counts = st.dictionaries(st.sampled_from(["ORG", "GPE", "PER"]), st.integers(1, 10**9))
seconds = st.dictionaries(st.sampled_from([phase.value for phase in Phase]), st.integers(0, 10**6))
totals = st.builds(
    Totals, documents=st.integers(0, 10**9), tokens=st.integers(0, 10**12), entities=st.integers(0, 10**9),
    labels=counts, seconds=seconds, peak_rss_bytes=st.integers(0, 2**40),
)  # fmt: skip


@given(totals, totals, totals)
def test_totals_add_associatively_and_nothing_is_neutral(a: Totals, b: Totals, c: Totals) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + Totals() == a + Totals() + Totals()
    assert add_up([a, b, c]).documents == a.documents + b.documents + c.documents


def test_many_totals_are_added_in_order_and_labels_are_sorted() -> None:
    many = [Totals(documents=number, labels={name: 1}, seconds={"read": 1}) for number, name in enumerate("cba" * 333)]
    total = add_up(many)
    assert total.documents == sum(range(999)) and list(total.labels.items()) == [("a", 333), ("b", 333), ("c", 333)]
    assert total.seconds == {"read": 999}
    assert add_up([]) == Totals() and list(add_up([Totals(labels={"b": 1, "a": 2})]).labels) == ["a", "b"]


def test_peaks_take_the_maximum() -> None:
    assert (Totals(peak_rss_bytes=5) + Totals(peak_rss_bytes=3)).peak_rss_bytes == 5


def test_a_job_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    done = Totals(documents=2, labels={"ORG": 1}, seconds={"read": 0.5})
    worker = Worker(worker=0, pid=7, started_at_s=1.0, ready_at_s=2.0, ended_at_s=3.0, totals=done)
    job = Job(
        rule="annotate_shard", shard=3, host="node", device="cpu", device_uuid=None, cuda_visible_devices=None,
        threads=1, engine="spacy", engine_reason="because", started_at_s=0.5, ended_at_s=3.5, totals=done,
        workers=(worker,), job_id="4711_3",
    )  # fmt: skip
    write_job(tmp_path / "job.json", job)
    assert read_job(tmp_path / "job.json") == job
    assert replace(job, ended_at_s=4.5).elapsed_s == 4.0


def test_a_stopwatch_adds_the_seconds_of_a_phase_even_when_the_block_fails() -> None:
    watch = Stopwatch()
    for _ in range(2):
        try:
            with watch.phase(Phase.READ):
                raise ValueError
        except ValueError:
            pass
    assert set(watch.seconds) == {"read"} and watch.seconds["read"] > 0


def test_a_phase_within_another_is_not_counted_twice() -> None:
    watch = Stopwatch()
    began = time.perf_counter()
    with watch.phase(Phase.ENCODE):
        for _ in range(3):
            with watch.phase(Phase.TOKENIZE):
                time.sleep(0.01)
    took = time.perf_counter() - began
    assert watch.seconds["tokenize"] >= 0.03 and sum(watch.seconds.values()) <= took
    assert 0 <= watch.seconds["encode"] <= took - 0.03


def test_a_plain_job_measures_itself_and_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    with measured_job(tmp_path / "split.json", "split_part"):
        pass
    job = read_job(tmp_path / "split.json")
    assert job.rule == "split_part" and job.elapsed_s >= 0 and job.totals.peak_rss_bytes > 1 << 20
    assert job.host_resources is not None and job.host_resources.cores == os.cpu_count()
    assert 1 <= (job.host_resources.usable_cores or 0) <= (os.cpu_count() or 0)
    assert (job.host_resources.memory_bytes or 0) > job.totals.peak_rss_bytes
    try:
        with measured_job(tmp_path / "bad.json", "merge_parts"):
            raise ValueError
    except ValueError:
        pass
    assert not (tmp_path / "bad.json").exists()


def test_a_plain_job_tells_its_memory_and_what_was_asked_for(tmp_path: Path) -> None:
    with measured_job(tmp_path / "asked.json", "split_part", mem_mb=2_000):
        pass
    job = read_job(tmp_path / "asked.json")
    assert job.requested_memory_bytes == 2_000_000_000 and job.memory_bytes >= job.totals.peak_rss_bytes
    with measured_job(tmp_path / "undecided.json", "split_part", mem_mb="<TBD>"):
        pass
    assert read_job(tmp_path / "undecided.json").requested_memory_bytes is None


def test_a_job_of_a_version_that_knew_no_gpus_is_read(tmp_path: Path) -> None:
    with measured_job(tmp_path / "job.json", "split_part"):
        pass
    data = json.loads((tmp_path / "job.json").read_text())
    for name in ("gpu_use", "host_resources", "device_number", "device_memory_bytes", "driver", "cuda", "scheduler"):
        del data[name]
    (tmp_path / "old.json").write_text(json.dumps(data))
    assert read_job(tmp_path / "old.json") == replace(read_job(tmp_path / "job.json"), host_resources=None)


def test_what_a_gpu_did_comes_back_from_disk(tmp_path: Path) -> None:
    with measured_job(tmp_path / "job.json", "split_part"):
        pass
    job = replace(read_job(tmp_path / "job.json"), gpu_use=GpuUse(power_j=1.5), device_number=2)
    write_job(tmp_path / "job.json", job)
    assert read_job(tmp_path / "job.json") == job


def test_a_job_of_a_cluster_records_the_schedulers_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with measured_job(tmp_path / "job.json", "merge_parts"):
        pass
    assert read_job(tmp_path / "job.json").job_id == "4711"
