"""The benchmark that compares Shardner with others, on a corpus of a few kilobytes: that it works, not how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from making import ROOT, clean_environment, make_pipeline

OURS = ("spacy", "pool", "pool-documents", "shardner")


def run_bench(out: Path, model: Path, *arguments: str) -> str:
    script = ROOT / "tests/benchmarks/contenders/bench.py"
    command = [sys.executable, str(script), "--model", str(model), "--out", str(out), "--cores", "2", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean_environment(), cwd=out.parent, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def model(tiny_pipeline: Path) -> Path:
    return tiny_pipeline


@pytest.fixture(scope="module")
def out(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bench") / "out"
    small = ["--kinds", "messages", "--sizes", "0.02", "--repeats", "1"]
    printed = run_bench(directory, model, *small, "--contenders", *OURS)
    assert printed.startswith((directory / "results.md").read_text())
    return directory


def read(out: Path) -> dict[tuple[str, int], dict[str, Any]]:
    measurements = json.loads((out / "results.json").read_text())["measurements"]
    return {(each["contender"], each["repeat"]): each for each in measurements}


def test_whole_documents_give_the_entities_of_stock_spacy(out: Path) -> None:
    found = read(out)
    assert set(found) == {(name, 1) for name in OURS}
    for name in ("spacy", "pool-documents", "shardner"):
        comparison = found[name, 1]["comparison"]
        assert comparison["verdict"] in ("identical", "near-ties"), name
        assert comparison["in_order"] and comparison["entities"] > 100


def test_text_cut_at_fixed_places_gives_wrong_entities(out: Path) -> None:
    comparison = read(out)["pool", 1]["comparison"]
    assert comparison["verdict"] == "different"
    assert comparison["missing"] > 0 and comparison["extra"] > 0
    assert comparison["missing_at_borders"] + comparison["extra_at_borders"] > 0
    assert "**wrong**" in (out / "results.md").read_text()


def test_a_measurement_is_of_the_whole_process_tree(out: Path) -> None:
    for (name, _), each in read(out).items():
        assert each["exit_status"] == 0 and each["wall_s"] > 0 and each["cpu_s"] > 0
        assert each["peak_tree_bytes"] >= each["peak_process_bytes"] > 10 << 20
        assert each["most_processes"] >= (1 if name == "spacy" else 3)
        assert each["corpus"]["repeated_share"] == 0


def test_a_later_run_adds_measurements_and_redoes_none(out: Path, model: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (out / "measurements").rglob("*.json")}
    small = ["--kinds", "messages", "--sizes", "0.02", "--repeats", "2", "--contenders", "pool-documents"]
    run_bench(out, model, *small, "--timeout", "0.1")
    after = {path: path.stat().st_mtime_ns for path in (out / "measurements").rglob("*.json")}
    assert before.items() <= after.items() and len(after) == len(before) + 1
    # what takes too long is a row with the reason, and does not keep the rest from being shown
    failed = read(out)["pool-documents", 2]
    assert failed["reason"].startswith("ended: it took more than") and failed["comparison"]["verdict"] == "failed"
    assert "failed once" in (out / "results.md").read_text()


def test_another_pipeline_does_not_mix_in(out: Path, tmp_path: Path) -> None:
    other = make_pipeline(tmp_path / "other", seed=1)
    with pytest.raises(AssertionError, match="holds measurements of another pipeline"):
        run_bench(out, other, "--kinds", "messages")
