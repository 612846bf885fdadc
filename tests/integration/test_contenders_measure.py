"""What the benchmark of contenders counts as one measurement."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from benchmarks.contenders.bench import identify, parse_arguments
from benchmarks.contenders.measure import environment_of, find_reason
from benchmarks.contenders.plan import CONTENDERS
from making import ROOT

#: Burns CPU, tells its process id, and would go on for long, as a daemon.
DAEMON = """
import os, pathlib, time
while time.process_time() < 0.3:
    pass
pathlib.Path("pid.part").write_text(str(os.getpid()))
os.rename("pid.part", "pid")
time.sleep(600)
"""
#: Measures in a process of its own, for it adopts, ends and waits for all that it finds below it.
MEASURE = """
import json, os, sys
from pathlib import Path
from benchmarks.contenders import measure
measure.GRACE_S = 0.1
print(json.dumps(measure.run_tree(json.loads(sys.argv[1]), Path(sys.argv[2]), os.environ, 1, float(sys.argv[3]))))
"""


def measure(directory: Path, *command: str, timeout_s: float = 60.0) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(command), str(directory), str(timeout_s)],
        capture_output=True, text=True, check=True, cwd=ROOT / "tests",
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.skipif(sys.platform != "linux", reason="a process adopts orphans on Linux only")
def test_what_the_first_process_leaves_behind_is_counted_and_ended(tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    script = f"setsid {sys.executable} daemon.py & until [ -e pid ]; do sleep 0.05; done"
    found = measure(tmp_path, "bash", "-c", script)
    assert (found["exit_status"], found["reason"]) == (0, None)
    assert found["cpu_s"] >= 0.3
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_what_takes_too_long_is_ended_with_all_its_children(tmp_path: Path) -> None:
    found = measure(tmp_path, "bash", "-c", "sleep 600 & sleep 600", timeout_s=0.3)
    assert found["reason"] == "ended: it took more than 0 s" and found["exit_status"] != 0


def test_a_failure_is_told_by_what_the_contender_said_last() -> None:
    log = "starting\nValueError: [E088] Text of length 1200000 exceeds maximum\nbye\n"
    assert "E088" in (find_reason({"reason": None, "exit_status": 1}, log) or "")
    assert find_reason({"reason": None, "exit_status": -9}, log) == "ended by SIGKILL"
    assert find_reason({"reason": None, "exit_status": 1}, "") == "it said nothing"
    assert find_reason({"reason": None, "exit_status": 0}, log) is None


def test_contenders_write_and_ask_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    monkeypatch.setenv("OMP_NUM_THREADS", "16")  # as Snakemake sets it for its jobs
    for contender in CONTENDERS.values():
        environment = environment_of(contender, tmp_path)
        assert "SNAKEMAKE_PROFILE" not in environment and environment["RAY_USAGE_STATS_ENABLED"] == "0"
        assert all(environment[name].startswith(str(tmp_path)) for name in ("TMPDIR", "HF_HOME", "XDG_CACHE_HOME"))
        assert environment.get("OMP_NUM_THREADS") == ("1" if contender.parallel and contender.script else None)


def test_a_directory_takes_another_kind_of_corpus_but_no_other_corpus_or_pipeline(tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    model.mkdir()
    (model / "meta.json").write_text("{}")
    (out / "corpora").mkdir(parents=True)

    def start(*corpora: str) -> dict[str, Any]:
        options = parse_arguments(["--model", str(model), "--out", str(out), "--corpora", *corpora])
        identity = identify(options)
        (out / "identity.json").write_text(json.dumps(identity))
        return identity

    start("messages=a.jsonl")
    (out / "corpora/messages-1.json").write_text("{}")
    assert set(start("long=b.jsonl")["sources"]) == {"messages", "long"}
    with pytest.raises(SystemExit, match="another corpus of messages"):
        start("messages=c.jsonl")
    (model / "meta.json").write_text('{"version": "2"}')
    with pytest.raises(SystemExit, match="another pipeline"):
        start("messages=a.jsonl")
