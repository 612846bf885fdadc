"""`make gpu-check`, on stand-ins: its pieces run, their results are kept, and the next call goes on with the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import card, environment_of, write_machine
from making import ROOT


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    given = environment_of(write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    (tmp_path / "leases").mkdir(mode=0o700)
    left = {key: value for key, value in os.environ.items() if key not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")}
    return {**left, **given}


def check(folder: Path, environment: dict[str, str], *given: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "tests/benchmarks/gpu_check.py")
    command = [sys.executable, script, "--quick", "--out", str(folder / "out"), "--scratch", str(folder / "scratch")]
    return subprocess.run(
        [*command, "--batch-tokens", "1000", *given], env=environment, capture_output=True, text=True, check=False
    )


def result(folder: Path, piece: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / f"{piece}.json").read_text())
    return found


def test_the_pieces_run_and_are_kept(tmp_path: Path, environment: dict[str, str]) -> None:
    done = check(tmp_path, environment, "--pieces", "machine", "profile", "speed-1000")
    assert done.returncode == 0, done.stdout + done.stderr
    machine = result(tmp_path, "machine")["figures"]
    assert machine["device"] == "Fake H200" and machine["driver"] == "570.124.06" and "spacy" in machine
    profile = result(tmp_path, "profile")["figures"]
    assert profile["tokens"] >= 2_000 and profile["milliseconds"] > 0 and profile["bandwidth measured, GB/s"] >= 0
    runs = result(tmp_path, "speed-1000")["figures"]["runs"]
    assert all(runs[name][0]["tokens_per_s"] > 0 for name in ("ours, CPU", "ours, GPU, 1", "ours, GPU, 2"))
    summary = (tmp_path / "out/summary.md").read_text()
    assert "device Fake H200" in summary and "| ours, GPU, 2 |" in summary and "| profile |" in summary
    assert str(tmp_path) not in summary and str(ROOT) not in summary
    # nothing is done twice unless that is asked for
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.json")}
    again = check(tmp_path, environment, "--pieces", "machine", "profile", "--again", "machine")
    assert again.returncode == 0 and "machine: " in again.stdout and "profile: " not in again.stdout
    changed = [path.name for path in written if path.stat().st_mtime_ns != written[path]]
    assert sorted(changed) == ["machine.figures.json", "machine.json"]


def test_what_fails_is_said_and_what_is_not_installed_is_left_out(tmp_path: Path, environment: dict[str, str]) -> None:
    broken = {**environment, "FAKE_CUPY_BROKEN": "flatnonzero"}
    done = check(tmp_path, broken, "--pieces", "trial", "profile")
    assert done.returncode == 1
    assert result(tmp_path, "trial")["state"] == "failed" and "does not work" in result(tmp_path, "trial")["said"]
    without = {**environment, "PYTHONPATH": environment["PYTHONPATH"].partition(":")[0]}  # no CuPy
    done = check(tmp_path, without, "--pieces", "profile", "--again", "profile")
    assert result(tmp_path, "profile") == {
        "state": "left out", "seconds": 0.0, "said": "not installed: cupy", "figures": {},
    }  # fmt: skip


@pytest.mark.parametrize("limit_s", ["0", "0.3"])  # nothing is begun; the first piece is begun and cut off
def test_a_call_that_has_no_time_left_leaves_the_rest_for_the_next(
    limit_s: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"text": "Anna met Ben."}\n')
    inputs = ["--model", "blank", "--corpus", str(tmp_path / "corpus.jsonl")]  # nothing that takes time is made
    done = check(tmp_path, environment, *inputs, "--pieces", "parity", "speed-1000", "--limit", limit_s)
    assert done.returncode == 2 and "still to do: parity, speed-1000" in done.stdout
    assert ("parity: entities" in done.stdout) == (limit_s != "0")
    assert not list((tmp_path / "out").glob("*.json"))
    summary = (tmp_path / "out/summary.md").read_text()
    waiting = [line.split(" | ")[0] for line in summary.splitlines() if " | waits | " in line]
    assert waiting == ["| parity", "| speed-1000"]
