from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from shardner.data.files import atomic_path, scratch_directory, write_text_atomically
from shardner.data.leftovers import remove_leftovers


def test_a_target_appears_complete(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.json"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists() and temporary.parent == target.parent
        temporary.write_text("whole")
    assert target.read_text() == "whole" and list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_what_was_there_before(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_text_atomically(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half of the new")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_two_attempts_of_a_job_write_to_files_of_their_own(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with atomic_path(target) as old:
        with atomic_path(target) as new:
            new.write_text("new")
            old.write_text("old")
        assert target.read_text() == "new"
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_scratch_lies_where_the_scheduler_says_and_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path / "node"))
    with scratch_directory(tmp_path / "results" / "x.parquet") as scratch:
        assert scratch.parent == tmp_path / "node" and scratch.is_dir()
    assert not scratch.exists()
    monkeypatch.delenv("SLURM_TMPDIR")
    monkeypatch.delenv("TMPDIR", raising=False)
    with scratch_directory(tmp_path / "results" / "x.parquet") as scratch:
        assert scratch.parent == tmp_path / "results"


def dead_process() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_what_dead_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    results, scratch, host, dead = tmp_path / "results", tmp_path / "tmp", socket.gethostname(), dead_process()
    inner = results / ".work/entities"
    orphans = [
        inner / f".a.parquet.{host}.{dead}.0123abcd.tmp",
        inner / f".a.parquet.{host}.{dead}.0123abcd.scratch/file",
        scratch / f".a.{host}.{dead}.0123abcd.scratch/deep/file",
        scratch / ".a.elsewhere.7.0123abcd.scratch/file",
    ]
    kept = [
        inner / "a.parquet",
        inner / ".a.parquet.tmp",
        inner / f".a.parquet.{host}.{os.getpid()}.0123abcd.tmp",
        inner / ".a.parquet.elsewhere.7.0123abcd.tmp",
        scratch / f".a.{host}.{os.getpid()}.0123abcd.scratch/file",
        scratch / f".a.{host}.{dead}.0123abcd.tmp",  # files of ours lie among the results only
        scratch / f"inner/.a.{host}.{dead}.0123abcd.scratch/file",
    ]
    for path in (*orphans, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    os.utime(orphans[3].parent, (0, 0))
    with scratch_directory(results / "b") as own, atomic_path(results / "c") as temporary:
        temporary.write_text("x")
        removed = remove_leftovers(results, scratch)
        assert own.is_dir() and temporary.is_file()
    assert len(removed) == len(orphans)
    assert not any(path.exists() for path in orphans) and all(path.exists() for path in kept)
