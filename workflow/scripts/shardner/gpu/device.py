"""The one device of a job.

`lease_device` is all that the rest of the package knows about devices: it yields the device that the job has to
itself and the environment that its workers must start with, and gives the device back at the end.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from shardner.config import DeviceChoice
from shardner.data.schedulers import Scheduled, find_scheduler
from shardner.errors import DeviceError
from shardner.gpu.devices import Found, Gpu, find_gpus
from shardner.gpu.lease import DevicesGoneError, lease_one
from shardner.gpu.runtime import ask_memory, find_cupy_problem, try_cupy

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    """A device, why it was chosen, and the environment variables that give it to a process."""

    kind: str  # "cpu" or "gpu"
    name: str
    uuid: str | None
    reason: str
    environment: Mapping[str, str] = field(default_factory=dict)
    gpu: Gpu | None = None
    driver: str | None = None
    cuda: str | None = None
    present: int | None = None  # GPUs that this job could have been given

    @property
    def cuda_visible_devices(self) -> str | None:
        """What the job's processes see as ``CUDA_VISIBLE_DEVICES``."""
        return self.environment.get("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES"))


@contextmanager
def lease_device(choice: DeviceChoice, *, gpus: int = 1) -> Iterator[Device]:
    """Yield the device that the job may use until the block ends.

    Args:
        choice: what the settings say.
        gpus: how many the job was granted; 0 is the CPU, whatever the settings say.

    Raises:
        DeviceError: a GPU was asked for, and there is none that can be used; says what was found and what is missing.
    """
    found = Found() if choice is DeviceChoice.CPU else find_gpus()
    reason = _refusal(choice, found, gpus)
    with ExitStack() as stack:
        if reason is None:
            device = _take(found, stack)
            if isinstance(device, Device):
                yield device
                return
            if choice is DeviceChoice.GPU:
                raise DeviceError(_explain(device, found))
            reason = f"no GPU can be used: {device}"
            stack.close()
        yield Device(kind="cpu", name=_cpu_name(), uuid=None, reason=reason)


def _refusal(choice: DeviceChoice, found: Found, gpus: int) -> str | None:
    """Return why the job runs on the CPU, None where it may ask for a GPU."""
    if choice is DeviceChoice.CPU:
        return "ner.device: cpu"
    problem = find_problem(found)
    if gpus == 0 and not (problem and choice is DeviceChoice.AUTO):
        return "no GPU was granted: --resources gpu=0"
    if problem and choice is DeviceChoice.GPU:
        raise DeviceError(_explain(problem, found))
    return f"no GPU can be used: {problem}" if problem else None


def find_problem(found: Found) -> str | None:
    """Return why no GPU can be used, as far as one sees without using it, None where one can."""
    if not found.gpus:
        return "; ".join(found.problems) or "there is no device"
    return find_cupy_problem(found)


def _take(found: Found, stack: ExitStack) -> Device | str:
    """Return a GPU that is the job's until `stack` closes, or why it gets none."""
    for problem in found.problems:
        log.warning(problem)
    scheduled = find_scheduler(os.environ)
    ours = scheduled is not None and len(found.gpus) == 1
    try:
        gpu = found.gpus[0] if ours else stack.enter_context(lease_one(found.gpus))
    except DevicesGoneError as error:
        return str(error)
    usable = _try(gpu, found)
    if isinstance(usable, str):
        return usable
    gpu = usable
    return Device(
        kind="gpu",
        name=gpu.name,
        uuid=gpu.uuid,
        reason=_reason(gpu, found, scheduled if ours else None),
        environment={"CUDA_VISIBLE_DEVICES": gpu.uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        gpu=gpu,
        driver=found.driver,
        cuda=found.cuda_text,
        present=len(found.gpus),
    )


def _try(gpu: Gpu, found: Found) -> Gpu | str:
    """Return a device on which CuPy works, its memory known, or why it cannot be used."""
    failure = try_cupy(gpu, found)
    if failure is not None or gpu.total_bytes:
        return failure or gpu
    memory = ask_memory(gpu)
    return memory if isinstance(memory, str) else replace(gpu, free_bytes=memory[0], total_bytes=memory[1])


def _reason(gpu: Gpu, found: Found, scheduled: Scheduled | None) -> str:
    how = f"given by {scheduled.scheduler} to its job {scheduled.job}" if scheduled else "leased"
    others = ", though another user computes on it" if gpu.occupied else ""
    return f"GPU {gpu.number}, {gpu.uuid}, {how}{others}; driver {found.driver}, CUDA {found.cuda_text}"


def _explain(problem: str, found: Found) -> str:
    """Return the message of an error: what was found, what is missing, what to do."""
    lines = [f"driver: {found.driver or 'none'}; CUDA: {found.cuda_text or 'none'}"]
    lines += [f"device {gpu.number}: {gpu.name}, {gpu.uuid}, {_describe_memory(gpu)}" for gpu in found.gpus]
    shown = "\n".join(f"  {line}" for line in dict.fromkeys([*lines, *found.problems]))
    return (
        f"ner.device: gpu was asked for, but {problem}\nFound:\n{shown}\n"
        f"To annotate on the CPU where no GPU can be used, write:   ner: {{device: auto}}"
    )


def _describe_memory(gpu: Gpu) -> str:
    if not gpu.total_bytes:
        return "memory not reported"
    return f"{gpu.free_bytes >> 20:,} of {gpu.total_bytes >> 20:,} MiB free"


def count_gpus() -> int:
    """Return how many GPUs of this machine the annotate jobs can use."""
    found = find_gpus()
    return 0 if find_problem(found) else len(found.gpus)


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
