"""Whether CuPy works with the driver, and what to type where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_gpus import card, settle, write_machine
from shardner.config import DeviceChoice
from shardner.errors import DeviceError
from shardner.gpu.device import count_gpus, lease_device
from shardner.gpu.devices import find_gpus
from shardner.gpu.runtime import find_cupy_problem, installed_cupy, try_cupy


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    return write_machine(tmp_path / "machine.json", [card(0)])


def install(directory: Path, name: str) -> None:
    """Leave the mark of an installed package."""
    info = directory / f"{name.replace('-', '_')}-14.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 14.0.0\n")


def test_cupy_that_fits_has_no_problem(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, machine, tmp_path / "leases")
    assert installed_cupy() == {"cupy-cuda12x": 12} and find_cupy_problem(find_gpus()) is None
    found = find_gpus()
    assert try_cupy(found.gpus[0], found) is None and list((tmp_path / "leases").glob("cupy-*.works"))


def test_a_newer_driver_runs_an_older_cuda(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, write_machine(machine, [card(0)], cuda=13000), tmp_path / "leases")
    assert find_cupy_problem(find_gpus()) is None


@pytest.mark.parametrize(("cuda", "lock"), [(12080, "cuda12"), (13000, "cuda13"), (14000, "cuda13")])
def test_without_cupy_the_message_says_what_to_type(
    cuda: int, lock: str, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch, write_machine(machine, [card(0)], cuda=cuda), tmp_path / "leases", cupy=False)
    problem = f"CuPy is not installed; install CuPy for CUDA {lock[-2:]}:   pip install -r requirements/{lock}.lock"
    assert find_cupy_problem(find_gpus()) == problem and count_gpus() == 0
    with lease_device(DeviceChoice.AUTO) as device:
        assert device.kind == "cpu" and problem in device.reason
    with pytest.raises(DeviceError) as error, lease_device(DeviceChoice.GPU):
        pass
    assert problem in str(error.value) and "device 0: Fake H200" in str(error.value)


def test_cupy_for_a_newer_cuda_than_the_drivers_is_told(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch, machine, tmp_path / "leases", cupy=False)
    (tmp_path / "site" / "cupy").mkdir(parents=True)
    (tmp_path / "site" / "cupy" / "__init__.py").touch()
    install(tmp_path / "site", "cupy-cuda13x")
    monkeypatch.syspath_prepend(tmp_path / "site")
    problem = find_cupy_problem(find_gpus())
    assert problem is not None and problem.startswith(
        "cupy-cuda13x needs a driver for CUDA 13, and driver 570.124.06 is for 12.8; install CuPy for CUDA 12:"
    )
    install(tmp_path / "site", "cupy-cuda12x")
    assert "pip uninstall -y" in str(find_cupy_problem(find_gpus()))


def test_cupy_that_cannot_be_imported_is_told_and_auto_goes_on_without(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch, machine, tmp_path / "leases")
    monkeypatch.setenv("FAKE_CUPY_ERROR", "libcublas.so.12: cannot open shared object file")
    with lease_device(DeviceChoice.AUTO) as device:
        assert device.kind == "cpu" and "CuPy does not work: ImportError: libcublas.so.12" in device.reason
    with pytest.raises(DeviceError, match=r"libcublas\.so\.12"), lease_device(DeviceChoice.GPU):
        pass
    assert not list((tmp_path / "leases").glob("cupy-*.works"))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FAKE_CUPY_BROKEN", "einsum", "einsum does not work"),
        ("FAKE_CUPY_BROKEN", "matmul", "matmul does not work"),
        ("FAKE_CUPY_BROKEN", "getDeviceCount", "thinc sees no device"),
        ("FAKE_CUPY_LARGEST", str(1 << 20), "OutOfMemoryError: Out of memory allocating"),
    ],
)
def test_the_trial_tries_what_jobs_use(
    variable: str, value: str, said: str, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch, machine, tmp_path / "leases")
    monkeypatch.setenv(variable, value)
    with lease_device(DeviceChoice.AUTO) as device:
        assert device.kind == "cpu" and said in device.reason
