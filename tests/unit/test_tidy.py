"""What the corpus no longer has is removed from the directory of work, and nothing else."""

from __future__ import annotations

from pathlib import Path

from shardner.parse.unused import OF_PARTS, find_unused
from shardner.stages.tidy import describe_tidied, tidy

KEPT, GONE = "a.jsonl-0123456789ab", "b.jsonl-and-3-ba9876543210"


def write(path: Path, content: str = "12345") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def make_work(work: Path) -> tuple[set[Path], set[Path]]:
    """Write a directory of work; return what is to be kept in it, and what is not."""
    kept = {
        write(work / "pipeline.json"),
        write(work / "split/manifest.json"),
        write(work / "logs/merge_parts/all.log"),
    }
    gone = set()
    for directory in OF_PARTS:
        if directory.partition("/")[0] in ("jobs", "logs", "benchmarks") and "annotate" not in directory:
            kept.add(write(work / directory / f"{KEPT}.json"))
            gone.add(write(work / directory / f"{GONE}.json"))
        else:
            kept |= {write(work / directory / KEPT / f"{shard:05d}.parquet") for shard in range(2)}
            gone |= {write(work / directory / KEPT / "00002.parquet"), write(work / directory / GONE / "00000.parquet")}
    return kept, gone


def test_only_parts_and_shards_that_the_corpus_no_longer_has_are_removed(tmp_path: Path) -> None:
    work = tmp_path / ".work"
    kept, gone = make_work(work)
    kept |= {write(work / "shards/mine.txt"), write(work / "entities" / KEPT / "notes.parquet")}
    tidied = tidy(work, find_unused(work, {KEPT: 2}))
    assert {path for path in work.rglob("*") if path.is_file()} == kept
    assert (tidied.files, tidied.bytes, tidied.left_bytes) == (len(gone), 5 * len(gone), 5 * len(kept))
    assert find_unused(work, {KEPT: 2}) == []
    assert f"removed {len(gone)} files of parts" in describe_tidied(tidied, work).replace("\xa0", " ")
    assert "nothing to remove" in describe_tidied(tidy(work, []), work)


def test_what_a_link_points_to_is_not_removed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "00000.parquet")
    work = tmp_path / ".work"
    (work / "shards").mkdir(parents=True)
    (work / "shards" / GONE).symlink_to(outside.parent, target_is_directory=True)
    (work / "shards" / KEPT).symlink_to(outside.parent, target_is_directory=True)
    tidy(work, find_unused(work, {KEPT: 0}))
    assert outside.exists() and [path.name for path in (work / "shards").iterdir()] == [KEPT]


def test_a_run_that_has_not_begun_has_nothing_to_remove(tmp_path: Path) -> None:
    assert find_unused(tmp_path / "nowhere", {}) == []
