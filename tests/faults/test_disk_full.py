"""A disk that is full, at whatever stage: one sentence says so, and the same command goes on when there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from making import annotate_plainly, entity_rows, make_texts, run_workflow, write_jsonl
from shardner.data.tables import read_table

TEXTS = make_texts(300, seed=41)
#: The sizes that the disk takes, one after the other, in KiB: too small for the split, for annotation, for the merge.
SIZES = (24, 64, 128, 192, 256, 320, 400, 512, 700, 1_000, 4_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own; what is mounted is in memory."""
    path = tmp_path / "disk"
    path.mkdir()
    options = f"size={SIZES[0]}k"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(path)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def settings(model: Path, corpus: Path, output: Path) -> dict[str, Any]:
    return {
        "corpus": {"files": [str(corpus)]},
        "model": {"name": str(model)},
        "output": {"dir": str(output), "formats": ["parquet", "jsonl", "csv"]},
        "shards": {"count": 3},
    }


def test_a_full_disk_of_results_ends_each_stage_with_a_sentence(
    disk: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    given = settings(tiny_pipeline, write_jsonl(tmp_path / "corpus.jsonl", TEXTS), disk / "results")
    stages = set()
    for size in SIZES:
        subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
        done = run_workflow(tmp_path, given)
        if done.returncode == 0:
            break
        said = done.stdout + done.stderr
        assert "please report it" not in said, said
        if f"DiskError: the disk of {disk}" in said:
            assert "is full" in said and "it goes on from here" in said
            stages |= {log.parent.parent.name for log in (disk / "results/.work/logs").rglob("*.error")}
            stages |= {log.parent.name for log in (disk / "results/.work/logs").rglob("*.error")}
    assert done.returncode == 0, done.stderr
    assert entity_rows(disk / "results/entities.parquet") == annotate_plainly(tiny_pipeline, TEXTS)
    assert read_table(disk / "results/documents.parquet").height == len(TEXTS)
    print(f"full at {sorted(stages)}, enough with {size} KiB")  # shown by pytest -s
    assert stages, "no stage met a full disk"


def test_a_full_disk_of_temporary_files_is_named(
    disk: Path, tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = make_texts(1_500, seed=42)
    corpus = write_jsonl(tmp_path / "corpus.jsonl", texts)
    given = settings(tiny_pipeline, corpus, tmp_path / "results")
    monkeypatch.setenv("TMPDIR", str(disk))
    done = run_workflow(tmp_path, given)
    assert done.returncode != 0 and f"DiskError: the disk of {disk}" in done.stderr, done.stderr
    assert "please report it" not in done.stderr
    monkeypatch.delenv("TMPDIR")
    again = run_workflow(tmp_path, given)
    assert again.returncode == 0, again.stderr
    assert read_table(tmp_path / "results/documents.parquet").height == len(texts)
