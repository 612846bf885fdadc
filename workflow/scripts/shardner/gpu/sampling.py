"""What a device did while a job had it: utilisation, memory, power and energy, asked of NVML by a thread.

Sums over time, so that those of jobs and devices add up: a mean is a sum over the seconds that it was measured.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shardner.data.metrics import GpuUse
from shardner.gpu.device import Device
from shardner.gpu.nvml import Handle, Nvml, NvmlError, open_nvml

log = logging.getLogger(__name__)

#: Seconds between two samples. NVML's own figure for utilisation covers between 1/6 and 1 s, by the card.
SAMPLE_S = 0.5


class Sampler:
    """Gathers samples of a device until it is stopped."""

    def __init__(self, nvml: Nvml, uuid: str, card: str) -> None:
        self._nvml = nvml
        self._device: Handle = nvml.handle(uuid)
        # of a slice NVML knows the memory only; what the whole card does, others do as well
        self._card: Handle | None = self._device if uuid == card else None
        self._energy_j = self._ask_energy()
        self._at_s = time.monotonic()
        self._sums = GpuUse()

    def sample(self) -> None:
        """Add the time since the last sample, at what the device reports now.

        Raises:
            NvmlError: the device is gone.
        """
        memory = self._nvml.memory(self._device)
        now_s = time.monotonic()
        elapsed_s, self._at_s = now_s - self._at_s, now_s
        used_bytes = 0 if memory is None else memory[1] - memory[0]
        utilisation = None if self._card is None else self._nvml.utilisation(self._card)
        power_w = None if self._card is None else self._nvml.power_w(self._card)
        self._sums += GpuUse(
            utilisation_s=0.0 if utilisation is None else utilisation * elapsed_s,
            utilisation_measured_s=0.0 if utilisation is None else elapsed_s,
            memory_byte_s=used_bytes * elapsed_s,
            memory_measured_s=0.0 if memory is None else elapsed_s,
            memory_peak_bytes=used_bytes,
            power_j=0.0 if power_w is None else power_w * elapsed_s,
            power_measured_s=0.0 if power_w is None else elapsed_s,
        )

    def finish(self) -> GpuUse:
        """Return all that was measured."""
        after_j = self._ask_energy()
        if self._energy_j is None or after_j is None or after_j < self._energy_j:
            return self._sums
        return self._sums + GpuUse(energy_j=after_j - self._energy_j, energy_jobs=1)

    def _ask_energy(self) -> float | None:
        return None if self._card is None else self._nvml.energy_j(self._card)


class Measured:
    """Holds what was measured, once the job is done."""

    def __init__(self) -> None:
        self.use = GpuUse()


@contextmanager
def sampled(device: Device) -> Iterator[Measured]:
    """Sample the job's device during the block; on the CPU there is nothing to sample."""
    measured = Measured()
    if device.gpu is None:
        yield measured
        return
    stop = threading.Event()
    thread = threading.Thread(
        target=_sample_until, args=(stop, device.gpu.uuid, device.gpu.card, measured), name="sampling", daemon=True
    )
    thread.start()
    try:
        yield measured
    finally:
        stop.set()
        thread.join(timeout=10)  # a driver that hangs must not hold the results back


def _sample_until(stop: threading.Event, uuid: str, card: str, measured: Measured) -> None:
    try:
        with open_nvml() as nvml:
            sampler = Sampler(nvml, uuid, card)
            try:
                while not stop.wait(SAMPLE_S):
                    sampler.sample()
                sampler.sample()
            finally:
                measured.use = sampler.finish()
    except NvmlError as error:
        log.warning("the device is no longer sampled: %s", error)
