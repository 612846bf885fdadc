"""What a device did while a job had it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from fake_gpus import GIB, card, settle, write_machine
from hypothesis import given
from hypothesis import strategies as st
from making import wait_for
from shardner.config import DeviceChoice
from shardner.data.metrics import GpuUse
from shardner.gpu.device import lease_device
from shardner.gpu.sampling import Sampler, sampled

uses = st.builds(
    GpuUse, energy_jobs=st.integers(0, 99), utilisation_s=st.integers(0, 99), memory_peak_bytes=st.integers(0, 2**40)
)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("shardner.gpu.sampling.SAMPLE_S", 0.01)
    path = write_machine(tmp_path / "machine.json", [card(0)])
    settle(monkeypatch, path, tmp_path / "leases")
    return path


def measure(seconds: float = 0.1) -> GpuUse:
    with lease_device(DeviceChoice.GPU) as device, sampled(device) as measured:
        time.sleep(seconds)
    return measured.use


def test_utilisation_memory_power_and_energy_are_sampled() -> None:
    use = measure()
    assert use.utilisation_s / use.utilisation_measured_s == pytest.approx(0.5)
    assert use.memory_byte_s / use.memory_measured_s == pytest.approx(GIB) and use.memory_peak_bytes == GIB
    assert use.power_j / use.power_measured_s == pytest.approx(400)
    assert use.energy_jobs == 1 and use.energy_j > 0


def test_what_a_card_does_not_report_is_not_measured(machine: Path) -> None:
    write_machine(machine, [card(0, energy=False)])
    use = measure()
    assert (use.energy_j, use.energy_jobs) == (0.0, 0) and use.power_measured_s > 0


def test_of_a_slice_the_memory_alone_is_known(machine: Path) -> None:
    write_machine(machine, [card(0, mig=[{"uuid": "MIG-1", "name": "slice", "total": 2 * GIB}])])
    use = measure()
    assert use.memory_peak_bytes == GIB and use.memory_measured_s > 0
    assert (use.utilisation_measured_s, use.power_measured_s, use.energy_jobs) == (0, 0, 0)


def test_a_device_that_vanishes_ends_the_samples_and_not_the_job(
    machine: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, sample = threading.Event(), Sampler.sample

    def sample_and_tell(sampler: Sampler) -> None:
        sample(sampler)
        seen.set()

    monkeypatch.setattr(Sampler, "sample", sample_and_tell)
    with lease_device(DeviceChoice.GPU) as device, sampled(device) as measured:
        assert seen.wait(60)
        write_machine(machine, [card(0, error="GpuIsLost")])
        wait_for(lambda: caplog.text, "the thread says that the device is gone")
    assert measured.use.memory_measured_s > 0 and "no longer sampled: GpuIsLost" in caplog.text


def test_on_the_cpu_there_is_nothing_to_sample() -> None:
    with lease_device(DeviceChoice.CPU) as device, sampled(device) as measured:
        pass
    assert measured.use == GpuUse()


@given(uses, uses, uses)
def test_uses_add_associatively(a: GpuUse, b: GpuUse, c: GpuUse) -> None:
    assert (a + b) + c == a + (b + c) and a + GpuUse() == a
