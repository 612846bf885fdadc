"""What NVML keeps back or answers with an error ends no run that may go on without."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import FAKES, GIB, card, settle, write_machine
from shardner.config import DeviceChoice
from shardner.gpu.device import count_gpus, lease_device
from shardner.gpu.devices import find_gpus
from shardner.gpu.sampling import sampled

#: All functions of NVML that are asked.
FUNCTIONS = runpy.run_path(str(FAKES / "nvml" / "pynvml.py"))["FUNCTIONS"]
SLICED = card(1, mig=[{"uuid": "MIG-11aa-1", "name": "Fake H200 MIG 3g.71gb", "total": 70 * GIB}])
#: A device that shares the host's memory, as some report it.
UNIFIED = card(0, total=0, free=0)


@pytest.fixture(scope="module")
def leases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one directory for all, where it is remembered that CuPy works."""
    return tmp_path_factory.mktemp("leases", numbered=False) / "leases"


@pytest.fixture
def machine(leases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_machine(tmp_path / "machine.json", [card(0)])
    settle(monkeypatch, path, leases)
    return path


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("error", ["NoPermission", "NotSupported", "GpuIsLost", "Unknown"])
def test_no_function_of_nvml_ends_a_run_that_may_go_on_without(
    function: str, error: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shardner.gpu.sampling.SAMPLE_S", 0.001)
    write_machine(machine, [card(0), SLICED], errors={function: error})
    found = find_gpus()
    assert found.gpus or found.problems
    assert count_gpus() == len(found.gpus)
    with lease_device(DeviceChoice.AUTO) as device, sampled(device):
        assert device.gpu is None or device.gpu.total_bytes > 0


@pytest.mark.parametrize("changes", [{"errors": {"nvmlDeviceGetMemoryInfo": "NotSupported"}}, {"cards": [UNIFIED]}])
def test_the_runtime_is_asked_for_memory_that_is_not_reported(changes: dict[str, Any], machine: Path) -> None:
    write_machine(machine, **{"cards": [card(0)]} | changes)
    assert find_gpus().gpus[0].total_bytes == 0
    with lease_device(DeviceChoice.GPU) as device:
        assert device.gpu is not None
        assert (device.gpu.free_bytes, device.gpu.total_bytes) == (100 * GIB, 120 * GIB)
