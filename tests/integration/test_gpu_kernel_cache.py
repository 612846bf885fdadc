"""CuPy makes a directory while it is imported: a home that cannot be written ends no job."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from select import select
from subprocess import PIPE

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


#: Says when it may compile and whether it is the first, and goes on until it is told to.
COMPILER = """
from shardner.gpu.kernel_cache import first_compiles
print("asks", flush=True)
with first_compiles() as is_first:
    print("first" if is_first else "later", flush=True)
    input()
"""


def test_one_worker_compiles_and_the_others_find_what_it_left(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), "SHARDNER_LEASES": str(tmp_path / "own")}
    with ExitStack() as workers:

        def start() -> subprocess.Popen[str]:
            command = [sys.executable, "-c", COMPILER]
            worker = workers.enter_context(
                subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True)
            )
            assert read_line(worker) == "asks"
            return worker

        first = start()
        assert read_line(first) == "first"
        others = [start() for _ in range(3)]
        assert not select([each.stdout for each in others], [], [], 2)[0]  # they wait
        first.communicate("\n")
        assert [read_line(each) for each in others] == ["later"] * 3  # at the same time
        for each in others:
            each.communicate("\n")
        again = start()
        assert read_line(again) == "first"
        again.communicate("\n")


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
