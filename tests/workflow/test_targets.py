"""What users ask for besides a run: its verification, an estimate, a plan, and how far it is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from making import make_texts, run_workflow, shard_names, write_jsonl

TEXTS = make_texts(60)
LONG = 20
TEXTS[LONG] = " ".join(make_texts(60, seed=3))


@pytest.fixture(scope="module")
def model(tiny_pipeline: Path) -> Path:
    return tiny_pipeline


def run(model: Path, directory: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    corpus = write_jsonl(directory / "corpus.jsonl", TEXTS) if not (directory / "corpus.jsonl").exists() else None
    given = {
        "corpus": {"files": [str(corpus or directory / "corpus.jsonl")]},
        "model": {"name": str(model)},
        "shards": {"count": 3},
        "windows": {"max_chars": 2_000},
        "verify": {"share": 1.0},
        **settings,
    }
    return run_workflow(directory, given, *arguments)


@pytest.fixture(scope="module")
def done(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run, verified and estimated, and what the terminal showed."""
    directory = tmp_path_factory.mktemp("run")
    finished = run(model, directory, "all", "verify", "estimate")
    assert finished.returncode == 0, finished.stderr
    return directory, finished.stderr.replace("\xa0", " ")


def test_a_run_is_verified_long_documents_included(done: tuple[Path, str]) -> None:
    documents = pl.read_parquet(done[0] / "results/documents.parquet")
    assert documents["windows"].max() > 3 and documents.height == len(TEXTS)  # type: ignore[operator]
    figures = json.loads((done[0] / "results/verify.json").read_text())
    assert (figures["documents"], figures["verified"], figures["identical"]) == (60, 60, 60)
    assert "verified 60 documents (100 %), 60 identical" in done[1]


def test_a_run_is_estimated(done: tuple[Path, str]) -> None:
    figures = json.loads((done[0] / "results/estimate.json").read_text())
    assert (figures["documents"], figures["shards"], figures["chars"]) == (60, 3, sum(map(len, TEXTS)))
    assert (figures["jobs_at_once"], figures["workers_a_job"], figures["measured"]["workers"]) == (2, 1, 2)
    assert "A run takes about:" in done[1] and "60 documents" in done[1]


def test_the_terminal_shows_how_far_the_run_is_of_which_no_file_remains(done: tuple[Path, str]) -> None:
    assert "█] 100%  3/3 shards" in done[1]
    assert "The plan:" not in done[1]
    left = list((done[0] / "results/.work/jobs/annotate_shard").glob("*/*"))
    assert sorted(path.name for path in left) == ["00000.json", "00001.json", "00002.json"]


def test_a_dry_run_shows_a_plan_and_touches_nothing(model: Path, tmp_path: Path) -> None:
    shown = run(model, tmp_path, "--dry-run")
    text = (shown.stdout + shown.stderr).replace("\xa0", " ")
    assert shown.returncode == 0 and text.count("The plan:") == 1
    assert "corpus  1 file (1 .jsonl)" in text and "shards  3 of about" in text and "2 at once, on the CPU" in text
    assert not (tmp_path / "results").exists()


def test_a_change_of_the_results_is_found_and_nothing_is_annotated_for_it(
    done: tuple[Path, str], model: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(done[0]), str(directory)], check=True)
    entities = directory / "results/entities.parquet"
    table = pl.read_parquet(entities)
    last = (pl.col("doc") == LONG) & (pl.int_range(pl.len()) == table["doc"].search_sorted(LONG, "right") - 1)
    table.filter(~last).write_parquet(entities)
    found = run(model, directory, "verify", corpus={"files": [str(done[0] / "corpus.jsonl")]})
    text = found.stderr.replace("\xa0", " ")
    assert found.returncode != 0 and not (directory / "results/verify.json").exists()
    assert "VerifyError: 1 document of 60 (60 verified) is not in the results" in text
    assert f"'d{LONG}' (doc {LONG})" in text and "only stock spaCy:" in text and "only the results:" in text
    assert text.count("VerifyError: ") == 1 and "Traceback" not in text
    assert "Annotating shard" not in text and "Merging" not in text and "Verifying shard 00002" in text


def test_a_quiet_run_shows_no_progress(model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", TEXTS)
    target = f"results/.work/entities/{shard_names(corpus, 1)[0]}.parquet"
    shown = run(model, tmp_path, target, "--quiet", "progress", shards={"count": 1})
    assert shown.returncode == 0 and (tmp_path / target).exists() and "█" not in shown.stderr
