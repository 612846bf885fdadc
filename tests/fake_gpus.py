"""Machines with GPUs that are not there: what NVML says is a JSON file, and CuPy computes with NumPy."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from making import ROOT

FAKES = ROOT / "tests" / "fakes"
GIB = 1 << 30


def card(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "uuid": f"GPU-{number}a5b-c0ffee-{number}",
        "name": "Fake H200",
        "total": 139 * GIB,
        "free": 138 * GIB,
    } | changes


def uuids(count: int) -> list[str]:
    return [card(number)["uuid"] for number in range(count)]


def write_machine(path: Path, cards: Sequence[dict[str, Any]], **changes: Any) -> Path:
    path.write_text(json.dumps({"driver": "570.124.06", "cuda": 12080, "cards": list(cards)} | changes))
    return path


def environment_of(machine: Path, leases: Path, *, cupy: bool = True) -> dict[str, str]:
    """Return what a process needs to find the machine's devices.

    A test that wants CuPy is skipped where there is no C++ compiler.
    """
    if cupy and not any(map(shutil.which, ("g++", "clang++"))):
        pytest.skip("the stand-in for CuPy compiles kernels, and there is no g++ or clang++")
    paths = [FAKES / "nvml", *([FAKES / "cupy"] if cupy else [])]
    return {
        "PYTHONPATH": ":".join(map(str, paths)),
        "FAKE_NVML": str(machine),
        "SHARDNER_LEASES": str(leases),
    }


def settle(monkeypatch: pytest.MonkeyPatch, machine: Path, leases: Path, *, cupy: bool = True) -> None:
    """Let this process, and those that it starts, find the machine's devices."""
    for name, value in environment_of(machine, leases, cupy=cupy).items():
        monkeypatch.setenv(name, value)
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_JOB_GPUS", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name in [each for each in sys.modules if each == "pynvml" or each.partition(".")[0] == "cupy"]:
        monkeypatch.delitem(sys.modules, name)
    for path in ("nvml", *(["cupy"] if cupy else [])):
        monkeypatch.syspath_prepend(FAKES / path)
