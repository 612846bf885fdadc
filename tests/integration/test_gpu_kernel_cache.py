"""CuPy makes a directory while it is imported: a home that cannot be written ends no job."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from fake_gpus import card, environment_of, write_machine
from making import ROOT

#: What a job does first, and then imports spaCy, on the CPU too.
JOB = """
import os, sys
from adapter import job_log
with job_log(sys.argv[1]):
    import spacy, cupy
    print(os.environ.get("CUPY_CACHE_DIR", "CuPy's own"))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home in which nothing can be made, not even by root."""
    path = tmp_path / "home"
    path.touch()
    return path


def run_job(home: Path, tmp_path: Path, *, cupy: bool = True, **variables: str) -> str:
    machine = write_machine(tmp_path / "machine.json", [card(0)])
    environment = {**os.environ, **environment_of(machine, tmp_path / "leases", cupy=cupy)}
    environment["PYTHONPATH"] += f":{ROOT / 'workflow/scripts'}"
    environment.pop("CUPY_CACHE_DIR", None)
    code = JOB if cupy else JOB.replace("spacy, cupy", "spacy")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "job.log")],
        env=environment | {"HOME": str(home)} | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_home_that_cannot_be_written_ends_no_job(home: Path, tmp_path: Path) -> None:
    kernels = tmp_path / "leases" / "kernels"
    assert run_job(home, tmp_path) == str(kernels)
    assert stat.S_IMODE(kernels.stat().st_mode) == 0o700


def test_cupys_own_directory_is_used_where_it_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert run_job(tmp_path / "home", tmp_path) == "CuPy's own"
    assert (tmp_path / "home/.cupy/kernel_cache").is_dir()


def test_a_directory_that_the_user_named_is_kept(home: Path, tmp_path: Path) -> None:
    assert run_job(home, tmp_path, CUPY_CACHE_DIR=str(tmp_path / "own")) == str(tmp_path / "own")


def test_nothing_is_made_in_home_without_cupy(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert run_job(tmp_path / "home", tmp_path, cupy=False) == "CuPy's own"
    assert not (tmp_path / "home/.cupy").exists()
