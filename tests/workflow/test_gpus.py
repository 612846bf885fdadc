"""One device a job, every device busy: real Snakemake, real processes and real locks, on a machine of fake devices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import card, environment_of, uuids, write_machine
from making import (
    annotate_plainly,
    clean_environment,
    entity_rows,
    make_texts,
    snakemake_command,
    wait_for,
    write_config,
    write_jsonl,
)
from shardner.data.job_files import read_job
from shardner.data.metrics import Job

TEXTS = make_texts(240, seed=8)
#: Nothing else of the results is looked at, and each job takes seconds to start.
TARGET = "results/entities.parquet"


@pytest.fixture(scope="module")
def model(tiny_pipeline: Path) -> Path:
    return tiny_pipeline


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    return write_machine(tmp_path / "machine.json", [card(number) for number in range(4)])


def start(
    directory: Path, machine: Path, model: Path, *arguments: str, cores: int = 8, cupy: bool = True, **settings: Any
) -> subprocess.Popen[str]:
    directory.mkdir(exist_ok=True)
    corpus = write_jsonl(directory / "corpus.jsonl", TEXTS)
    given = {"corpus": {"files": [str(corpus)]}, "model": {"name": str(model)}} | settings
    command = snakemake_command(directory, *arguments, "--configfile", str(write_config(directory, given)), cores=cores)
    environment = clean_environment() | environment_of(machine, machine.parent / "leases", cupy=cupy)
    with (directory / "run.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, text=True, start_new_session=True)


def finish(run: subprocess.Popen[str], directory: Path) -> str:
    status = run.wait(300)
    output = (directory / "run.log").read_text()
    assert status == 0, output
    return output


def jobs_of(directory: Path) -> list[Job]:
    return [read_job(path) for path in sorted((directory / "results/.work/jobs/annotate_shard").glob("*/*.json"))]


def assert_alone(jobs: Iterable[Job]) -> None:
    """No two jobs have a device at once."""
    by_device: dict[str, list[tuple[float, float]]] = {}
    for job in jobs:
        by_device.setdefault(str(job.device_uuid), []).append((job.started_at_s, job.ended_at_s))
    for times in by_device.values():
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(times)))


def test_shards_over_four_devices(model: Path, machine: Path, tmp_path: Path) -> None:
    run = start(tmp_path, machine, model, "--resources", "gpu=4", shards={"count": 8}, ner={"threads": 1})
    output = finish(run, tmp_path)
    jobs = jobs_of(tmp_path)
    assert len(jobs) == 8 and {job.device_uuid for job in jobs} == set(uuids(4))
    assert_alone(jobs)
    assert all(job.cuda_visible_devices == job.device_uuid for job in jobs)
    assert {job.engine for job in jobs} == {"fused"} and {job.device for job in jobs} == {"Fake H200"}
    assert {(job.driver, job.cuda, job.device_memory_bytes) for job in jobs} == {("570.124.06", "12.8", 139 << 30)}
    assert all(
        job.gpu_use is not None and job.gpu_use.memory_measured_s and job.totals.peak_device_bytes for job in jobs
    )
    assert {job.devices_present for job in jobs} == {4}
    assert entity_rows(tmp_path / TARGET) == annotate_plainly(model, TEXTS)
    assert_report(tmp_path, output)


def assert_report(directory: Path, output: str) -> None:
    provenance = json.loads((directory / "results/provenance.json").read_text())
    assert [device["uuid"] for device in provenance["devices"]] == uuids(4)
    assert {(each["memory_bytes"], each["driver"], each["cuda"]) for each in provenance["devices"]} == {
        (139 << 30, "570.124.06", "12.8")
    }
    performance = json.loads((directory / "results/performance.json").read_text())
    lanes = {row["lane"] for row in performance["timeline"] if row["rule"] == "annotate_shard"}
    assert lanes == {"gpu 0", "gpu 1", "gpu 2", "gpu 3"}
    assert [device["label"] for device in performance["devices"]] == sorted(lanes)
    for device in performance["devices"]:
        assert device["slots"] == 1 and device["utilisation_share"] == 0.5 and device["power_w"] == 400
        assert device["memory_peak_bytes"] == 1 << 30 and device["energy_j"] > 0
    assert performance["headline"]["joules_per_million_tokens"] > 0
    page = (directory / "results/report.html").read_text()
    assert "Utilisation" in page and "million tokens" in page
    assert "on Fake H200" in output


def test_two_workflows_share_the_devices_without_a_limit_given(model: Path, machine: Path, tmp_path: Path) -> None:
    write_machine(machine, [card(0), card(1)])
    directories = [tmp_path / name for name in ("first", "second")]
    given = {"shards": {"count": 3}, "ner": {"threads": 2}}
    runs = [start(directory, machine, model, TARGET, cores=4, **given) for directory in directories]
    for run, directory in zip(runs, directories, strict=True):
        finish(run, directory)
    jobs = [job for directory in directories for job in jobs_of(directory)]
    assert len(jobs) == 6 and {job.device_uuid for job in jobs} == set(uuids(2))
    assert_alone(jobs)
    assert all(entity_rows(each / TARGET) == annotate_plainly(model, TEXTS) for each in directories)


def test_a_killed_job_frees_its_device_and_its_shard_is_done_again(model: Path, machine: Path, tmp_path: Path) -> None:
    write_machine(machine, [card(0)])
    run = start(tmp_path, machine, model, TARGET, "--retries", "1", shards={"count": 2}, ner={"threads": 1})
    lock = machine.parent / "leases" / f"{uuids(1)[0]}.lock"

    def kill_holder() -> bool:
        assert run.poll() is None, (tmp_path / "run.log").read_text()
        holder = holder_of(lock)
        if holder is not None:
            os.kill(holder, signal.SIGKILL)
        return holder is not None

    wait_for(kill_holder, lambda: (tmp_path / "run.log").read_text(), look_s=0.01)
    output = finish(run, tmp_path)
    jobs = jobs_of(tmp_path)
    assert output.count("Annotating shard") == 3 and len(jobs) == 2
    assert_alone(jobs)
    assert entity_rows(tmp_path / TARGET) == annotate_plainly(model, TEXTS)


def holder_of(lock: Path) -> int | None:
    """Return the process that holds a lock, as the kernel lists it."""
    if not lock.exists():
        return None
    inode = str(lock.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "->" not in fields and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
            return int(fields[4])
    return None


def test_without_a_gpu_a_run_is_on_the_cpu_whatever_was_asked_for(model: Path, machine: Path, tmp_path: Path) -> None:
    write_machine(machine, [])
    finish(start(tmp_path, machine, model, TARGET, "--resources", "gpu=4", shards={"count": 1}), tmp_path)
    (job,) = jobs_of(tmp_path)
    assert (job.threads, job.device_uuid, job.gpu_use) == (1, None, None)
    [log] = (tmp_path / "results/.work/logs/annotate_shard").glob("*/00000.log")
    assert "no GPU can be used: driver 570.124.06 lists no device" in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "settings", "cards", "cupy", "workers"),
    [
        (["--resources", "gpu=4"], {}, 4, True, 2),
        (["--resources", "gpu=9"], {}, 4, True, 2),
        (["--resources", "gpu=1"], {}, 4, True, 8),
        (["--resources", "gpu=0"], {}, 4, True, 1),
        (["--resources", "gpu=4"], {}, 4, False, 1),
        ([], {}, 1, True, 8),
        ([], {"ner": {"device": "cpu"}}, 4, True, 1),
    ],
)
def test_gpus_and_workers_of_a_job_follow_the_command_line_and_the_machine(
    arguments: list[str],
    settings: dict[str, Any],
    cards: int,
    cupy: bool,
    workers: int,
    model: Path,
    machine: Path,
    tmp_path: Path,
) -> None:
    write_machine(machine, [card(number) for number in range(cards)])
    run = start(tmp_path, machine, model, "--dry-run", TARGET, *arguments, cupy=cupy, shards={"count": 2}, **settings)
    output = finish(run, tmp_path)
    assert output.count(f"with {workers} workers") == 2
    assert ("--resources gpu=9, but there are 4 devices: 4 jobs run at once" in output) == ("gpu=9" in arguments)


def test_a_gpu_that_is_not_there_is_an_error_that_says_so(model: Path, machine: Path, tmp_path: Path) -> None:
    write_machine(machine, [], init_error="DriverNotLoaded")
    run = start(tmp_path, machine, model, TARGET, "--retries", "0", shards={"count": 1}, ner={"device": "gpu"})
    assert run.wait(300) == 1
    output = (tmp_path / "run.log").read_text()
    assert "DeviceError: ner.device: gpu was asked for, but an NVIDIA driver that is not loaded" in output
    assert "ner: {device: auto}" in output
