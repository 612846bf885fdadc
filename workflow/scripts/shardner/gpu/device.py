"""The one device of a job.

`lease_device` is all that the rest of the package knows about devices: it yields the device that the job has to
itself and the environment that its workers must start with, and gives the device back at the end.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shardner.config import DeviceChoice
from shardner.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Device:
    """A device, why it was chosen, and the environment variables that give it to a process."""

    kind: str  # "cpu" or "gpu"
    name: str
    uuid: str | None
    reason: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def cuda_visible_devices(self) -> str | None:
        """What the job's processes see as ``CUDA_VISIBLE_DEVICES``."""
        return self.environment.get("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES"))


@contextmanager
def lease_device(choice: DeviceChoice) -> Iterator[Device]:
    """Yield the device that the job may use until the block ends.

    Raises:
        DeviceError: a GPU was asked for, and there is none that can be used.
    """
    if choice is DeviceChoice.GPU:
        raise DeviceError(
            "ner.device: gpu was asked for, but this version annotates on the CPU only; write:   ner: {device: auto}"
        )
    reason = "ner.device: cpu" if choice is DeviceChoice.CPU else "this version annotates on the CPU only"
    yield Device(kind="cpu", name=_cpu_name(), uuid=None, reason=reason)


def gpus_a_job(choice: DeviceChoice) -> int:
    """Return how many GPUs an annotate job asks Snakemake for."""
    return 1 if choice is DeviceChoice.GPU else 0


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
