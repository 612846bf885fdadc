"""A corpus that changes: only what changed is split and annotated again, and the results are those of all of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from making import TABLES, make_pipeline, make_texts, run_workflow, write_jsonl
from shardner.parse.part_plan import plan_parts
from shardner.parse.shard_plan import PlanSizes

#: Documents a file: small files share shards, one has several.
DOCUMENTS = [1, 3, 1, 2, 40, 1, 2, 3, 1, 1, 150, 2, 1, 3, 2, 1, 30, 1, 2, 4]
NAMES = [f"data/day-{number:02d}.jsonl" for number in range(len(DOCUMENTS))]
#: So that shards have about 4,000 characters: the speed at which a corpus of this size is given such shards.
SIZES = {"shard_chars": 4_000, "part_chars": 8_000, "chars_per_s": 1_000}


def write_file(directory: Path, name: str, documents: int, seed: int) -> None:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    write_jsonl(path, make_texts(documents, seed=seed))
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    renamed = [{**record, "id": f"{path.stem}-{seed}-{record['id']}"} for record in records]
    path.write_text("".join(json.dumps(record) + "\n" for record in renamed), "utf-8")


def keep_sizes(directory: Path) -> None:
    path = directory / "results/.work/sizes.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(SIZES))


def run(model: Path, directory: Path, files: Sequence[str], *arguments: str) -> str:
    settings: dict[str, Any] = {"corpus": {"files": list(files)}, "model": {"name": str(model)}}
    done = run_workflow(directory, settings, *arguments)
    assert done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).replace("\xa0", " ")


def annotated_parts(text: str) -> list[str]:
    """Return the parts of the shards that a run annotates, or would annotate, one for each shard."""
    return re.findall(r"Annotating shard ([^\s/]+)/\d+", text)


def planned(text: str) -> tuple[int, int]:
    """Return how many shards a dry run says are kept, and how many are new."""
    found = re.search(r"shards  ([\d,]+) of about .*, ([\d,]+) kept and ([\d,]+) new", text)
    assert found is not None, text
    total, kept, new = (int(number.replace(",", "")) for number in found.groups())
    assert total == kept + new
    return kept, new


@pytest.fixture(scope="module")
def before(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over twenty files."""
    directory = tmp_path_factory.mktemp("run")
    for seed, (name, documents) in enumerate(zip(NAMES, DOCUMENTS, strict=True)):
        write_file(directory, name, documents, seed)
    keep_sizes(directory)
    first = run(tiny_pipeline, directory, NAMES)
    assert len(annotated_parts(first)) == len(list((directory / "results/.work/entities").glob("*/*.parquet")))
    return directory


@dataclass
class Change:
    """What becomes of the corpus: its files, and those whose own bytes are other ones."""

    files: list[str]
    changed: list[str]


def add(directory: Path, files: list[str]) -> Change:
    write_file(directory, "data/day-07-late.jsonl", 2, 99)
    return Change([*files[:8], "data/day-07-late.jsonl", *files[8:]], ["data/day-07-late.jsonl"])


def remove(directory: Path, files: list[str]) -> Change:
    return Change([name for name in files if name != NAMES[13]], [NAMES[13]])


def rewrite(directory: Path, files: list[str]) -> Change:
    write_file(directory, NAMES[17], 4, 98)
    return Change(files, [NAMES[17]])


def grow(directory: Path, files: list[str]) -> Change:
    with (directory / NAMES[10]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "grown", "text": "Ada Lovelace in London"}) + "\n")
    return Change(files, [NAMES[10]])


def turn_round(directory: Path, files: list[str]) -> Change:
    return Change(files[::-1], [])


def planned_parts(directory: Path, files: Sequence[str]) -> dict[str, set[str]]:
    """Return the files of each part."""
    found = [(Path(name), (directory / name).stat().st_size) for name in files]
    parts = plan_parts(found, PlanSizes(SIZES["shard_chars"], SIZES["part_chars"]), lambda path: True)
    return {part.name: {str(stretch.path) for stretch in part.stretches} for part in parts}


def near(parts: Mapping[str, set[str]], changed: set[str]) -> set[str]:
    """Return the files of parts that hold one of `changed`, or stand beside such a part."""
    held = list(parts.values())
    found = [at for at, files in enumerate(held) if files & changed]
    return set().union(*(files for at, files in enumerate(held) if any(abs(at - each) <= 1 for each in found)))


def test_only_changed_files_and_those_that_share_a_shard_are_annotated_again(
    tiny_pipeline: Path, before: Path, tmp_path: Path
) -> None:
    directory, files = tmp_path / "run", list(NAMES)
    subprocess.run(["cp", "-a", str(before), str(directory)], check=True)
    parts = planned_parts(directory, files)
    assert planned(run(tiny_pipeline, directory, files, "--dry-run"))[1] == 0
    changed: set[str] = set()
    for change in (turn_round, add, remove, rewrite, grow):
        done = change(directory, files)
        files, changed = done.files, changed | set(done.changed)
        after = planned_parts(directory, files)
        text = run(tiny_pipeline, directory, files, "--dry-run")
        annotated = annotated_parts(text)
        again = {name for part in annotated for name in after[part]}
        assert changed & set(files) <= again <= near(parts, changed) | near(after, changed)
        assert len(annotated) == planned(text)[1] and bool(changed) == bool(annotated)
        kept = [part for part in after if part in parts and not after[part] & changed]
        assert len(kept) > 3 and not set(kept) & set(annotated)

    assert sorted(annotated_parts(run(tiny_pipeline, directory, files))) == sorted(annotated)
    shards = {path.name for path in (directory / "results/.work/shards").iterdir()}
    assert shards > set(after)
    assert "of parts that the corpus no longer has" in run(tiny_pipeline, directory, files, "tidy")
    assert {path.name for path in (directory / "results/.work/shards").iterdir()} == set(after)
    assert planned(run(tiny_pipeline, directory, files, "--dry-run"))[1] == 0
    fresh = tmp_path / "fresh"
    shutil.copytree(directory / "data", fresh / "data")
    keep_sizes(fresh)
    run(tiny_pipeline, fresh, files)
    for table in TABLES:
        assert pl.read_parquet(directory / table).equals(pl.read_parquet(fresh / table)), table
    documents = pl.read_parquet(fresh / "results/documents.parquet")
    assert documents.height > 200 and documents["file"].unique(maintain_order=True).to_list() == files


def test_another_pipeline_annotates_everything(before: Path, tmp_path: Path) -> None:
    other = make_pipeline(tmp_path / "other", seed=5)
    assert planned(run(other, before, NAMES, "--dry-run"))[0] == 0
