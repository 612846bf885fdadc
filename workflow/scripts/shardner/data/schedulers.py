"""The job of a scheduler that this process is part of, and the devices of that job, by environment variables.

Slurm, LSF and PBS set ``CUDA_VISIBLE_DEVICES`` where they hand out GPUs. Slurm also lists the GPUs in
``SLURM_JOB_GPUS``. A container in Kubernetes sees the devices that its device plugin mounted, and finds their names in
``NVIDIA_VISIBLE_DEVICES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: By scheduler, the variables that hold the number of its job; the first that is set counts.
JOB_VARIABLES = {
    "slurm": ("SLURM_JOB_ID",),
    "lsf": ("LSB_JOBID",),
    "pbs": ("PBS_JOBID",),
    "kubernetes": ("KUBERNETES_SERVICE_HOST",),
}


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A scheduler, and its name for the job (in Kubernetes: the pod)."""

    scheduler: str
    job: str


@dataclass(frozen=True, slots=True)
class AssignedDevices:
    """Devices named by an environment variable."""

    source: str  # the variable
    text: str | None  # its value; None where it is not set
    devices: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.source} (not set)" if self.text is None else f"{self.source}={self.text!r}"


def find_scheduler(environment: Mapping[str, str]) -> Scheduled | None:
    """Return the scheduler and the job that this process is part of; None where there is none."""
    for scheduler, variables in JOB_VARIABLES.items():
        for variable in variables:
            if value := environment.get(variable):
                return Scheduled(scheduler, environment.get("HOSTNAME", value) if scheduler == "kubernetes" else value)
    return None


def assigned_devices(environment: Mapping[str, str]) -> AssignedDevices | None:
    """Return the devices that the environment names; None where it names none and all may be used.

    A Slurm job that was given no GPU may use none, whatever the node has.
    """
    scheduled = find_scheduler(environment)
    if "CUDA_VISIBLE_DEVICES" in environment:
        return _read("CUDA_VISIBLE_DEVICES", environment)
    if scheduled is not None and scheduled.scheduler == "slurm":
        return _read("SLURM_JOB_GPUS", environment)
    given = environment.get("NVIDIA_VISIBLE_DEVICES", "all")
    if scheduled is not None and scheduled.scheduler == "kubernetes" and given != "all":
        return _read("NVIDIA_VISIBLE_DEVICES", environment)
    return None


def _read(variable: str, environment: Mapping[str, str]) -> AssignedDevices:
    text = environment.get(variable)
    names = tuple(name.strip() for name in (text or "").split(","))
    # for no device, CUDA says "" and -1, NVIDIA's container runtime says none and void, Slurm says NoDevFiles
    if names[0] in ("", "-1", "none", "void", "NoDevFiles"):
        names = ()
    return AssignedDevices(variable, text, names)
