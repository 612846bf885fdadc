"""Which GPUs a process may use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_gpus import GIB, card, settle, uuids, write_machine
from shardner.data.schedulers import Scheduled, assigned_devices, find_scheduler
from shardner.gpu.device import count_gpus
from shardner.gpu.devices import find_gpus

FOUR = [card(number) for number in range(4)]
SLICED = card(
    1,
    mig=[
        {"uuid": "MIG-11aa-1", "name": "Fake H200 MIG 3g.71gb", "total": 70 * GIB},
        {"uuid": "MIG-11bb-2", "name": "Fake H200 MIG 3g.71gb", "total": 70 * GIB},
    ],
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_machine(tmp_path / "machine.json", FOUR)
    settle(monkeypatch, path, tmp_path / "leases")
    return path


def found_uuids() -> list[str]:
    return [gpu.uuid for gpu in find_gpus().gpus]


def test_devices_have_names_memory_and_versions(machine: Path) -> None:
    found = find_gpus()
    assert [gpu.uuid for gpu in found.gpus] == uuids(4) and [gpu.number for gpu in found.gpus] == [0, 1, 2, 3]
    assert found.gpus[0].name == "Fake H200" and found.gpus[0].free_bytes == 138 * GIB
    assert (found.driver, found.cuda, found.cuda_text, found.problems) == ("570.124.06", (12, 8), "12.8", ())


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ("0", [0]),
        ("3,1", [3, 1]),
        (" 2 , 0 ", [2, 0]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,9,2", [1]),  # CUDA reads no further than the first that names none
        ("1,-1,2", [1]),
        ("2,2", [2]),
        (card(2)["uuid"], [2]),
        (f"{card(3)['uuid']},{card(0)['uuid']}", [3, 0]),
        ("GPU-1a5b", [1]),
        ("GPU-", []),  # names all four
        ("GPU-ffff", []),
        ("nonsense", []),
    ],
)
def test_cuda_visible_devices_means_what_it_means_to_cuda(
    given: str, numbers: list[int], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    found = find_gpus()
    assert [gpu.number for gpu in found.gpus] == numbers
    if not numbers:
        assert found.problems and f"CUDA_VISIBLE_DEVICES={given!r} names 0 of 4 devices" in found.problems[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, [*uuids(1), "MIG-11aa-1", "MIG-11bb-2"]),
        ("MIG-11bb-2", ["MIG-11bb-2"]),
        ("MIG-11bb", ["MIG-11bb-2"]),
        ("1", ["MIG-11aa-1"]),
        ("0,MIG-11aa-1", [*uuids(1), "MIG-11aa-1"]),
        (SLICED["uuid"], []),  # a card with MIG on cannot be used whole
    ],
)
def test_a_card_with_mig_is_its_slices(
    given: str | None, expected: list[str], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_machine(machine, [card(0), SLICED])
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert found_uuids() == expected


def test_a_slice_has_its_own_memory(machine: Path) -> None:
    write_machine(machine, [SLICED])
    first, _ = find_gpus().gpus
    assert first.is_slice and first.card == SLICED["uuid"] and first.total_bytes == 70 * GIB


def test_mig_without_a_slice_is_told(machine: Path) -> None:
    write_machine(machine, [card(0, mig=[])])
    assert find_gpus().problems == ("device 0: MIG is on and no slice was made",)


def test_a_device_that_is_lost_is_left_out_and_the_others_keep_their_numbers(machine: Path) -> None:
    write_machine(machine, [card(0), card(1, error="GpuIsLost"), card(2)])
    found = find_gpus()
    assert [gpu.number for gpu in found.gpus] == [0, 2] and found.problems == ("device 1: GpuIsLost",)


def test_a_device_that_may_not_be_opened_is_not_counted(machine: Path) -> None:
    write_machine(machine, [card(0, error="NoPermission"), card(1)])
    assert [(gpu.number, gpu.uuid) for gpu in find_gpus().gpus] == [(0, card(1)["uuid"])]


@pytest.fixture
def others_process() -> Iterator[int]:
    """The pid of a process of another user: one started as nobody, or else one that is there."""
    if os.getuid() == 0:
        with subprocess.Popen(["sleep", "60"], user=65534) as process:
            yield process.pid
            process.kill()
        return
    others = [int(path.name) for path in Path("/proc").glob("[0-9]*") if path.stat().st_uid != os.getuid()]
    if not others:
        pytest.skip("every process here is this user's")
    yield others[0]


def test_another_users_processes_occupy_a_device(machine: Path, others_process: int) -> None:
    write_machine(machine, [card(0, pids=[others_process]), card(1, pids=[os.getpid()])])
    assert [gpu.occupied for gpu in find_gpus().gpus] == [True, False]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("LibraryNotFound", "no NVIDIA driver"),
        ("DriverNotLoaded", "modprobe nvidia"),
        ("NoPermission", "/dev/nvidiactl"),
        ("LibRmVersionMismatch", "restart the machine"),
        ("Unknown", "does not answer"),
    ],
)
def test_a_driver_that_does_not_work_is_named(error: str, said: str, machine: Path) -> None:
    write_machine(machine, FOUR, init_error=error)
    found = find_gpus()
    assert found.gpus == () and said in found.problems[0]


def test_nvml_may_be_missing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pynvml'] = None\n"
        "from shardner.gpu.devices import find_gpus; print(find_gpus().problems[0])"
    )
    done = run_python(code)
    assert "pip install nvidia-ml-py" in done


def run_python(code: str) -> str:
    import sys

    from making import ROOT

    path = os.pathsep.join(map(str, [ROOT / "workflow/scripts", os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_container_without_the_capability_compute_is_told(machine: Path) -> None:
    write_machine(machine, FOUR, errors={"nvmlSystemGetCudaDriverVersion": "LibraryNotFound"})
    [problem] = find_gpus().problems
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in problem and count_gpus() == 0


@pytest.mark.parametrize("error", ["NoPermission", "NotSupported"])
def test_slices_are_found_where_the_cards_own_memory_may_not_be_read(error: str, machine: Path) -> None:
    write_machine(machine, [SLICED], errors={f"nvmlDeviceGetMemoryInfo {SLICED['uuid']}": error})
    found = find_gpus()
    assert [gpu.uuid for gpu in found.gpus] == ["MIG-11aa-1", "MIG-11bb-2"] and found.problems == ()
    assert {gpu.total_bytes for gpu in found.gpus} == {70 * GIB}


def test_a_card_on_which_nobody_may_compute_is_left_out_and_told(machine: Path) -> None:
    write_machine(machine, [card(0, mode=2), card(1, mode=3), card(2, mode=99)])
    found = find_gpus()
    assert [(gpu.number, gpu.exclusive) for gpu in found.gpus] == [(1, True), (2, False)]
    [problem] = found.problems
    assert problem.startswith("device 0: its compute mode prohibits") and "nvidia-smi -i 0 -c DEFAULT" in problem


def test_a_driver_for_an_old_cuda_is_told(machine: Path) -> None:
    write_machine(machine, FOUR, driver="470.1", cuda=11040)
    found = find_gpus()
    assert found.gpus == () and found.problems == ("driver 470.1 is for CUDA 11.4; CUDA 12 is the oldest supported",)


@pytest.mark.parametrize(
    ("environment", "devices"),
    [
        ({}, None),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ("1",)),
        ({"SLURM_JOB_ID": "7"}, ()),  # a job that was given none has none, whatever the node has
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3"}, ("2", "3")),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3", "CUDA_VISIBLE_DEVICES": "0,1"}, ("0", "1")),
        ({"LSB_JOBID": "7"}, None),
        ({"PBS_JOBID": "7.head", "CUDA_VISIBLE_DEVICES": "GPU-8"}, ("GPU-8",)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NVIDIA_VISIBLE_DEVICES": "GPU-8"}, ("GPU-8",)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NVIDIA_VISIBLE_DEVICES": "all"}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NVIDIA_VISIBLE_DEVICES": "void"}, ()),
        ({"NVIDIA_VISIBLE_DEVICES": "GPU-8"}, None),  # a container outside of Kubernetes: NVML lists what it has
    ],
)
def test_a_scheduler_says_which_devices_are_a_jobs(
    environment: dict[str, str], devices: tuple[str, ...] | None
) -> None:
    assigned = assigned_devices(environment)
    assert (None if assigned is None else assigned.devices) == devices


def test_a_scheduler_and_its_job_are_named() -> None:
    assert find_scheduler({"SLURM_JOB_ID": "42"}) == Scheduled("slurm", "42")
    assert find_scheduler({"LSB_JOBID": "43"}) == Scheduled("lsf", "43")
    assert find_scheduler({"PBS_JOBID": "44.head"}) == Scheduled("pbs", "44.head")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "shardner-x7"}
    assert find_scheduler(pod) == Scheduled("kubernetes", "shardner-x7")
    assert find_scheduler({}) is None
