"""A device is one job's at a time, and free the moment that its job ends, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import card, settle, uuids, write_machine
from making import ROOT, wait_for
from shardner.config import DeviceChoice
from shardner.errors import DeviceError
from shardner.gpu.device import count_gpus, lease_device
from shardner.gpu.devices import find_gpus
from shardner.gpu.directory import lease_directory
from shardner.gpu.lease import DevicesGoneError, lease_one

#: Takes a device, says which and when, and holds it for a while.
JOB = """
import json, sys, time
from shardner.gpu.devices import find_gpus
from shardner.gpu.lease import lease_one
with lease_one(find_gpus().gpus) as gpu:
    print(json.dumps({"uuid": gpu.uuid, "from": time.monotonic()}), flush=True)
    time.sleep(float(sys.argv[1]))
    print(json.dumps({"to": time.monotonic()}), flush=True)
"""

Start = Callable[[float], "subprocess.Popen[str]"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_machine(tmp_path / "machine.json", [card(0), card(1)])
    settle(monkeypatch, path, tmp_path / "leases")
    return path


@pytest.fixture
def start_job(machine: Path) -> Iterator[Start]:
    path = os.pathsep.join([str(ROOT / "workflow/scripts"), os.environ["PYTHONPATH"]])
    with ExitStack() as jobs:

        def start(hold_s: float) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", JOB, str(hold_s)]
            environment = {**os.environ, "PYTHONPATH": path}
            job = jobs.enter_context(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
            jobs.callback(job.kill)  # whatever a test makes of it, it does not outlive it
            return job

        yield start


def read(job: subprocess.Popen[str]) -> dict[str, float | str]:
    assert job.stdout is not None
    found: dict[str, float | str] = json.loads(job.stdout.readline())
    return found


def test_no_two_jobs_have_a_device_at_once_and_all_devices_are_used(start_job: Start, machine: Path) -> None:
    holders = [start_job(600) for _ in range(2)]
    assert {read(job)["uuid"] for job in holders} == set(uuids(2))
    jobs = [start_job(0.1) for _ in range(6)]
    for job in holders:
        job.kill()
    held = [read(job) | read(job) for job in jobs]
    assert [job.wait(60) for job in jobs] == [0] * 6
    for uuid in uuids(2):
        times = sorted((each["from"], each["to"]) for each in held if each["uuid"] == uuid)
        assert all(before[1] <= after[0] for before, after in pairwise(times))


def test_a_killed_job_gives_its_device_back_at_once(start_job: Start, machine: Path) -> None:
    write_machine(machine, [card(0)])
    holder = start_job(600)
    read(holder)
    waiter = start_job(0)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(60)
    assert read(waiter)["uuid"] == uuids(1)[0] and waiter.wait(60) == 0


def test_jobs_get_a_device_in_the_order_in_which_they_asked(start_job: Start, machine: Path, tmp_path: Path) -> None:
    write_machine(machine, [card(0)])
    line = tmp_path / "leases" / "line"
    holder, jobs = start_job(600), []
    read(holder)
    for waiting in range(1, 4):
        jobs.append(start_job(0))
        wait_for(
            lambda wanted=waiting: len([path for path in line.iterdir() if path.suffix != ".lock"]) == wanted,
            "the job stands in line",
        )
    holder.kill()
    times = [read(job)["from"] for job in jobs]
    assert times == sorted(times) and [job.wait(60) for job in jobs] == [0] * 3
    assert list(line.iterdir()) == []


def test_a_ticket_whose_job_was_killed_holds_nobody_up(start_job: Start, machine: Path) -> None:
    write_machine(machine, [card(0)])
    with lease_one(find_gpus().gpus):
        waiter = start_job(0)
        line = lease_directory() / "line"
        wait_for(lambda: [path for path in line.glob("*") if path.suffix != ".lock"], "the job stands in line")
        os.kill(waiter.pid, signal.SIGKILL)
        waiter.wait(60)
    with lease_one(find_gpus().gpus) as gpu:
        assert gpu.number == 0
    assert list((lease_directory() / "line").iterdir()) == []


def test_devices_that_others_compute_on_come_last(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # whose a process is says /proc; that another user's are told apart is tested with the devices
    monkeypatch.setattr("shardner.gpu.nvml._is_of_another_user", lambda pid: pid == 1)
    write_machine(machine, [card(0, pids=[1]), card(1)])
    with lease_one(find_gpus().gpus) as first, lease_one(find_gpus().gpus) as second:
        assert (first.number, second.number) == (1, 0)


def test_a_device_that_vanishes_while_one_waits_is_passed_over(machine: Path) -> None:
    gpus = find_gpus().gpus
    write_machine(machine, [card(0, error="GpuIsLost"), card(1)])
    with lease_one(gpus) as gpu:
        assert gpu.number == 1
    write_machine(machine, [card(0, error="GpuIsLost"), card(1, error="GpuIsLost")])
    with pytest.raises(DevicesGoneError, match="none of the devices works any more"), lease_one(gpus):
        pass


def test_a_job_waits_with_a_line_in_the_log(start_job: Start, machine: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_machine(machine, [card(0)])
    holder = start_job(600)
    read(holder)

    def end_holder() -> None:
        wait_for(lambda: caplog.text, "a line in the log", 60)
        holder.kill()

    with caplog.at_level("INFO"), ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end_holder)
        with lease_one(find_gpus().gpus):
            ended.result()
    assert "waiting for a device: all 1 are taken" in caplog.text


def test_a_directory_that_others_can_write_to_is_refused(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "leases").mkdir(mode=0o755)
    (tmp_path / "leases").chmod(0o777)
    with pytest.raises(DeviceError, match=r"drwxrwxrwx.*export SHARDNER_LEASES="):
        lease_directory()
    (tmp_path / "leases").rmdir()
    (tmp_path / "leases").symlink_to(tmp_path)
    with pytest.raises(DeviceError, match="remove it"):
        lease_directory()


def test_a_lease_names_the_device_to_the_jobs_processes(machine: Path) -> None:
    with lease_device(DeviceChoice.AUTO) as device:
        assert (device.kind, device.uuid, device.name) == ("gpu", uuids(1)[0], "Fake H200")
        assert device.cuda_visible_devices == uuids(1)[0] and "leased" in device.reason
        assert (device.driver, device.cuda) == ("570.124.06", "12.8")
        with lease_device(DeviceChoice.GPU) as other:
            assert other.uuid == uuids(2)[1]


def test_what_a_scheduler_gave_is_not_leased_again(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with lease_device(DeviceChoice.GPU) as device, lease_device(DeviceChoice.GPU) as again:
        assert device.uuid == again.uuid == uuids(2)[1] and "given by slurm to its job 42" in device.reason


def test_several_devices_of_a_scheduler_are_leased_among_its_job(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with lease_device(DeviceChoice.GPU) as device, lease_device(DeviceChoice.GPU) as other:
        assert {device.uuid, other.uuid} == set(uuids(2))


def test_without_a_grant_there_is_no_gpu(machine: Path) -> None:
    with lease_device(DeviceChoice.AUTO, gpus=0) as device:
        assert device.kind == "cpu" and device.reason == "no GPU was granted: --resources gpu=0"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"init_error": "LibraryNotFound"}, "no GPU can be used: no NVIDIA driver"),
        ({"gpus": 0}, "no GPU can be used: driver 570.124.06 lists no device"),
        ({"cuda": 11040}, "CUDA 12 is the oldest supported"),
    ],
)
def test_auto_says_in_a_line_why_it_runs_on_the_cpu(changes: dict[str, Any], reason: str, machine: Path) -> None:
    changes = dict(changes)
    write_machine(machine, [card(0)][: changes.pop("gpus", 1)], **changes)
    with lease_device(DeviceChoice.AUTO, gpus=0) as device:
        assert device.kind == "cpu" and reason in device.reason and "\n" not in device.reason
    with pytest.raises(DeviceError) as error, lease_device(DeviceChoice.GPU):
        pass
    assert reason.rpartition(": ")[2] in str(error.value) and "ner: {device: auto}" in str(error.value)


def test_the_gpus_of_the_machine_are_counted(machine: Path) -> None:
    assert count_gpus() == 2
    write_machine(machine, [])
    assert count_gpus() == 0
