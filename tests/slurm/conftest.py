"""A corpus and a local run of it, with which runs on Slurm are compared."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from making import TABLES, run_workflow, write_jsonl
from on_slurm import SHARDS, TEXTS


@pytest.fixture(scope="module")
def given(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("given")
    return {
        "corpus": {"files": [str(write_jsonl(directory / "corpus.jsonl", TEXTS))]},
        "model": {"name": str(tiny_pipeline)},
        "shards": {"count": SHARDS},
        "ner": {"device": "cpu"},
    }


@pytest.fixture(scope="module")
def local(given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run without a cluster."""
    directory = tmp_path_factory.mktemp("local")
    run = run_workflow(directory, given, *TABLES)
    assert run.returncode == 0, run.stderr
    return directory


@pytest.fixture
def prepared(local: Path, tmp_path: Path) -> Path:
    """A run that has yet to annotate: the corpus is split, the pipeline prepared."""
    directory = tmp_path / "run"
    shutil.copytree(local, directory)
    for part in ("entities", "documents", "rejected", "jobs/annotate_shard"):
        shutil.rmtree(directory / "results/.work" / part)
    for path in (directory / "results").iterdir():
        if path.is_file():
            path.unlink()
    return directory
