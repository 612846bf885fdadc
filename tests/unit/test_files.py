from pathlib import Path

import pytest
from shardner.data.files import atomic_path, scratch_directory, write_text_atomically


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
