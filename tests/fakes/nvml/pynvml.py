"""Stands for nvidia-ml-py: devices are what the JSON file named by ``FAKE_NVML`` says at each call.

{"driver": "580.65.06", "cuda": 13000, "init_error": null,
 "cards": [{"uuid": …, "name": …, "total": …, "free": …, "pids": [], "error": null, "energy": true, "mode": 0,
            "mig": [{"uuid": …, "name": …, "total": …, "free": …}]}],
 "errors": {"nvmlDeviceGetName": "NotSupported", "nvmlDeviceGetMemoryInfo GPU-…": "NoPermission"}}

What `errors` names raises: a function, or a function for one device. `FUNCTIONS` are all that there are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    """As in nvidia-ml-py, the base of one class for each error."""


for _name in (
    "LibraryNotFound", "DriverNotLoaded", "NoPermission", "LibRmVersionMismatch", "GpuIsLost", "NotFound",
    "NotSupported", "FunctionNotFound", "Unknown",
):  # fmt: skip
    globals()[f"NVMLError_{_name}"] = type(f"NVMLError_{_name}", (NVMLError,), {})


def _fail(name: str) -> None:
    raise globals()[f"NVMLError_{name}"](name)


def _read() -> dict[str, Any]:
    path = os.environ.get("FAKE_NVML")
    if not path:
        _fail("LibraryNotFound")
    given: dict[str, Any] = json.loads(Path(path).read_text())
    return given


def nvmlInit() -> None:
    if error := _read().get("init_error"):
        _fail(error)


def nvmlShutdown() -> None:
    pass


def nvmlSystemGetDriverVersion() -> str:
    return str(_read().get("driver", "580.65.06"))


def nvmlSystemGetCudaDriverVersion() -> int:
    return int(_read().get("cuda", 13000))


def nvmlDeviceGetCount() -> int:
    return len(_read()["cards"])


def nvmlDeviceGetHandleByIndex(index: int) -> str:
    card = _read()["cards"][index]
    if error := card.get("error"):
        _fail(error)
    return str(card["uuid"])


def _find(uuid: str) -> dict[str, Any]:
    for card in _read()["cards"]:
        for device in (card, *(card.get("mig") or ())):
            if device["uuid"] == uuid:
                if error := card.get("error"):
                    _fail(error)
                return dict(device)
    _fail("NotFound")
    raise AssertionError


def nvmlDeviceGetHandleByUUID(uuid: str) -> str:
    _find(uuid)
    return uuid


def nvmlDeviceGetUUID(handle: str) -> str:
    return str(_find(handle)["uuid"])


def nvmlDeviceGetName(handle: str) -> bytes:
    return str(_find(handle).get("name", "Fake H200")).encode()  # as older releases answer


def nvmlDeviceGetMemoryInfo(handle: str) -> Any:
    device = _find(handle)
    total = device.get("total", 139 << 30)
    free = device.get("free", total - (1 << 30))
    return SimpleNamespace(total=total, free=free, used=total - free)


def nvmlDeviceGetComputeRunningProcesses(handle: str) -> list[Any]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=None) for pid in _find(handle).get("pids", ())]


def nvmlDeviceGetComputeMode(handle: str) -> int:
    return int(_find(handle).get("mode", 0))


def nvmlDeviceGetMigMode(handle: str) -> list[int]:
    card = _find(handle)
    if card.get("mig") is None:
        _fail("NotSupported")
    return [1, 1]


def nvmlDeviceGetMaxMigDeviceCount(handle: str) -> int:
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle: str, index: int) -> str:
    slices = _find(handle)["mig"]
    if index >= len(slices):
        _fail("NotFound")
    return str(slices[index]["uuid"])


def nvmlDeviceGetUtilizationRates(handle: str) -> Any:
    _find(handle)
    return SimpleNamespace(gpu=50, memory=10)


def nvmlDeviceGetPowerUsage(handle: str) -> int:
    _find(handle)
    return 400_000


def nvmlDeviceGetTotalEnergyConsumption(handle: str) -> int:
    if not _find(handle).get("energy", True):
        _fail("NotSupported")
    return int(time.time() * 400_000)


def _raising(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*given: Any) -> Any:
        errors = _read().get("errors", {})
        for key in (name, " ".join(map(str, (name, *given)))):
            if key in errors:
                _fail(errors[key])
        return function(*given)

    return call


FUNCTIONS = [name for name in globals() if name.startswith("nvml")]
for _name in FUNCTIONS:
    globals()[_name] = _raising(_name, globals()[_name])
