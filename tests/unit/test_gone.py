"""A file of a shard that is gone is missed, once the merge has read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shardner.data.job_files import read_annotate_jobs, read_part_jobs
from shardner.data.manifest import Manifest, PartNumbers
from shardner.errors import JsonFileError
from shardner.parse.gone import find_gone

PARTS = ("a.jsonl-0123456789ab", "b.jsonl-ba9876543210")


def write_all(work: Path) -> list[Path]:
    """Write the files of two parts with three shards each; return them in corpus order."""
    files = [
        work / kind / part / f"{shard:05d}{suffix}"
        for kind, suffix in (("entities", ".parquet"), ("jobs/annotate_shard", ".json"))
        for part in PARTS
        for shard in range(3)
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    return files


@pytest.mark.parametrize("merged", ["merge_parts.json", "check_dataset.json", "merge_part/00001.json"])
def test_what_is_gone_is_missed_once_a_merge_has_read_it(tmp_path: Path, merged: str) -> None:
    files = write_all(tmp_path)
    files[1].unlink()
    shutil.rmtree(files[-1].parent)
    assert find_gone(tmp_path, files) == []  # the merge, which is to run, asks for all of them
    record = tmp_path / "jobs" / merged
    record.parent.mkdir(exist_ok=True)
    record.write_text("{}")
    assert find_gone(tmp_path, files) == [files[1], *files[-3:]]


def test_nothing_is_missed_where_nothing_is_gone(tmp_path: Path) -> None:
    files = write_all(tmp_path)
    (tmp_path / "jobs/merge_parts.json").write_text("{}")
    assert find_gone(tmp_path, files) == []


def test_a_record_that_is_gone_is_named_with_what_makes_it_again(tmp_path: Path) -> None:
    part = PartNumbers("a", first_shard=0, shards=2, stretches=(), duplicates=0)
    manifest = Manifest(files=(), parts=(part,), shards=(), documents=0, rejected=0, chars=0, keep={})
    for read in (read_annotate_jobs, read_part_jobs):
        with pytest.raises(JsonFileError, match=r"a.*\.json is gone; type `snakemake` without a target"):
            read(tmp_path, manifest)
