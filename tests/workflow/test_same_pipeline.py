"""A pipeline whose files were written anew, as in an environment that is made again, annotates nothing again."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from making import TABLES, annotate_plainly, entity_rows, make_pipeline, make_texts, run_workflow, write_jsonl

TEXTS = make_texts(60, seed=17)


def run(directory: Path, model: Path, *arguments: str) -> tuple[str, list[str]]:
    """Run the workflow; return what it said, and the shards that it annotated."""
    given = {"corpus": {"files": ["in"]}, "model": {"name": str(model)}}
    done = run_workflow(directory, given, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr, re.findall(r"Annotating shard (\S+)", done.stderr)


def add_file(directory: Path, name: str, texts: Sequence[str]) -> None:
    path = write_jsonl(directory / "in" / name, texts)
    path.write_bytes(path.read_bytes().replace(b'{"id": "d', b'{"id": "' + name.encode()))


def rows(directory: Path) -> list[tuple[object, ...]]:
    return entity_rows(directory / "results/entities.parquet")


@pytest.fixture
def done(tiny_pipeline: Path, tmp_path: Path) -> Path:
    """A finished run of two shards, with the pipeline beside it."""
    shutil.copytree(tiny_pipeline, tmp_path / "pipeline")
    (tmp_path / "in").mkdir()
    add_file(tmp_path, "a.jsonl", TEXTS[:30])
    add_file(tmp_path, "b.jsonl", TEXTS[30:])
    # large enough for a shard each
    sizes = tmp_path / "results/.work/sizes.json"
    sizes.parent.mkdir(parents=True)
    sizes.write_text('{"shard_chars": 1000, "part_chars": 1000000, "chars_per_s": 1000}')
    _, annotated = run(tmp_path, tmp_path / "pipeline")
    assert len(annotated) >= 2
    return tmp_path


def test_a_pipeline_that_is_written_anew_elsewhere_annotates_nothing_again(done: Path) -> None:
    before = [(done / name).stat().st_mtime_ns for name in TABLES]
    for path in (done / "pipeline").rglob("*"):
        os.utime(path)
    (done / "pipeline").rename(done / "copy")
    said, annotated = run(done, done / "copy")
    assert annotated == [] and "Nothing to be done" in said
    assert [(done / name).stat().st_mtime_ns for name in TABLES] == before
    # a file more is annotated by the pipeline where it lies now, and nothing else
    add_file(done, "c.jsonl", TEXTS[:20])
    assert " kept and 0 new" not in run(done, done / "copy", "--dry-run")[0]
    _, annotated = run(done, done / "copy")
    assert annotated and all(shard.startswith("c.jsonl") for shard in annotated)
    assert rows(done) == annotate_plainly(done / "copy", [*TEXTS, *TEXTS[:20]])
    assert str(done / "copy") in json.loads((done / "results/provenance.json").read_text())["model"]["location"]
    # a run that verifies all documents finds no difference
    assert "differ" not in run(done, done / "copy", "verify", "--config", "verify={share: 1}")[0]


def test_another_pipeline_in_its_place_annotates_everything_even_if_the_run_is_stopped(done: Path) -> None:
    shutil.rmtree(done / "pipeline")
    make_pipeline(done / "pipeline", seed=5)
    first, *_ = sorted((done / "results/.work/jobs/annotate_shard").glob("*/*.json"))
    shards = {str(path.relative_to(first.parents[1]).with_suffix("")) for path in first.parents[1].glob("*/*.json")}
    # stopped after the first shard, when the pipeline is prepared
    _, annotated = run(done, done / "pipeline", str(first.relative_to(done)))
    assert annotated == [str(first.relative_to(first.parents[1]).with_suffix(""))]
    for path in (done / "pipeline").rglob("*"):
        os.utime(path)
    _, rest = run(done, done / "pipeline")
    assert {*annotated, *rest} == shards and len(annotated) + len(rest) == len(shards)
    assert rows(done) == annotate_plainly(done / "pipeline", TEXTS)


def test_another_version_of_what_the_pipeline_is_made_of_annotates_everything(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline's config names the factory ``sentencizer``, and no other of these."""
    monkeypatch.setenv("PYTHONPATH", str(done / "site"))
    for factory, again in (("other", False), ("sentencizer", True)):
        about = done / f"site/{factory}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {factory}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[spacy_factories]\n{factory} = nowhere:make\n")
        assert (", 0 kept" in run(done, done / "pipeline", "--dry-run")[0]) == again


def test_where_times_alone_decide_another_pipeline_annotates_everything_too(done: Path) -> None:
    shards = len(list((done / "results/.work/jobs/annotate_shard").glob("*/*.json")))
    shutil.rmtree(done / "pipeline")
    make_pipeline(done / "pipeline", seed=5)
    _, annotated = run(done, done / "pipeline", "--rerun-triggers", "mtime")
    assert len(annotated) == shards
    assert rows(done) == annotate_plainly(done / "pipeline", TEXTS)
