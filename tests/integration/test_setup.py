"""What tools/setup.sh refuses before it makes or changes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from making import ROOT

#: The first lines of nvidia-smi, as far as they are read, and what it lists.
NVIDIA_SMI = """#!/bin/sh
[ "$1" != -L ] || exec echo "GPU 0: Fake H200 (UUID: GPU-0)"
echo "| Driver Version: x   CUDA Version: {cuda} |"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a directory with the tools and the locks, and a .venv in which all of them count as installed."""
    for name in ("tools", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "requirements", tmp_path / ".venv" / ".shardner")
    (tmp_path / ".venv/.shardner/path").write_text(f"{tmp_path}\n")
    install_torch(tmp_path, "2.13.0")
    return tmp_path


def install_torch(checkout: Path, version: str) -> None:
    """Make .venv's Python one that says so."""
    write_script(checkout / ".venv/bin/python", f"#!/bin/sh\necho {version}\n")


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def set_up(checkout: Path, cuda: str, *locks: str, **variables: str) -> subprocess.CompletedProcess[str]:
    write_script(checkout / "bin/nvidia-smi", NVIDIA_SMI.format(cuda=cuda))
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"} | variables
    environment["PATH"] = f"{checkout / 'bin'}:{environment['PATH']}"
    return subprocess.run(
        ["bash", "tools/setup.sh", *locks],
        cwd=checkout, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("lock", ["transformers", "bench"])
def test_a_torch_for_cuda_13_is_refused_where_the_driver_is_for_cuda_12(lock: str, checkout: Path) -> None:
    done = set_up(checkout, "12.8", "run", lock)
    assert done.returncode == 1
    assert "a Torch for CUDA 13, and the driver here is for CUDA 12" in done.stderr and "580" in done.stderr


@pytest.mark.parametrize(("cuda", "locks"), [("13.0", ("run", "transformers")), ("12.8", ("run",))])
def test_locks_that_fit_the_driver_are_taken(cuda: str, locks: tuple[str, ...], checkout: Path) -> None:
    done = set_up(checkout, cuda, *locks)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("version", ["2.13.0+cu126", "2.13.0+cpu"])
def test_another_build_of_torch_that_is_there_is_taken(version: str, checkout: Path) -> None:
    install_torch(checkout, version)
    assert set_up(checkout, "12.8", "run", "transformers").returncode == 0


def test_the_cpu_can_be_chosen(checkout: Path) -> None:
    assert set_up(checkout, "12.8", "run", "transformers", CUDA_VISIBLE_DEVICES="").returncode == 0
