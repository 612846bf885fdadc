"""Nothing is written over, and no run takes another one's results for its own. Everything lies in temporary folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from making import (
    annotate_plainly,
    clean_environment,
    entity_rows,
    make_texts,
    run_workflow,
    snakemake_command,
    write_config,
    write_jsonl,
)

TEXTS, OTHERS = make_texts(40, seed=11), make_texts(40, seed=12)


def settings(model: Path, corpus: Path, output: Path | str) -> dict[str, Any]:
    return {
        "corpus": {"files": [str(corpus)]},
        "model": {"name": str(model)},
        "output": {"dir": str(output)},
        "shards": {"count": 1},
    }


def test_a_corpus_among_the_results_is_not_written_over(tiny_pipeline: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    corpus = data / "documents.parquet"
    pl.DataFrame({"id": ["a"], "text": ["Jane"]}).write_parquet(corpus)
    before = corpus.read_bytes()
    given = settings(tiny_pipeline, data / "*.parquet", ".")
    done = run_workflow(data, given)
    assert done.returncode != 0 and "would be lost" in done.stderr + done.stdout
    assert corpus.read_bytes() == before and not (data / ".work").exists()


def test_another_directory_does_not_take_the_results_for_its_own(tiny_pipeline: Path, tmp_path: Path) -> None:
    first, second, output = tmp_path / "first", tmp_path / "second", tmp_path / "output"
    for directory in (first, second):
        directory.mkdir()
    one, two = write_jsonl(tmp_path / "one.jsonl", TEXTS), write_jsonl(tmp_path / "two.jsonl", OTHERS)
    assert run_workflow(first, settings(tiny_pipeline, one, output)).returncode == 0
    expected = annotate_plainly(tiny_pipeline, TEXTS)
    refused = run_workflow(second, settings(tiny_pipeline, two, output))
    assert refused.returncode != 0 and "holds the results of another run" in refused.stderr + refused.stdout
    assert str(first) in refused.stderr + refused.stdout
    assert entity_rows(output / "entities.parquet") == expected
    # with the same corpus and settings it is the same run, wherever it is started
    same = run_workflow(second, settings(tiny_pipeline, one, "../output"))
    assert same.returncode == 0 and "Nothing to be done" in same.stderr
    # where they began, another corpus replaces the results
    again = run_workflow(first, settings(tiny_pipeline, two, output))
    assert again.returncode == 0, again.stderr
    assert entity_rows(output / "entities.parquet") == annotate_plainly(tiny_pipeline, OTHERS)
    # and what was moved together stays together
    shutil.move(first, tmp_path / "moved")
    moved = run_workflow(tmp_path / "moved", settings(tiny_pipeline, one, output))
    assert moved.returncode == 0 and entity_rows(output / "entities.parquet") == expected


def test_two_runs_at_once_do_not_share_a_directory(tiny_pipeline: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    runs, texts = [], {"a": make_texts(300, seed=13), "b": make_texts(300, seed=14)}
    for name, each in texts.items():
        directory = tmp_path / name
        directory.mkdir()
        given = settings(tiny_pipeline, write_jsonl(tmp_path / f"{name}.jsonl", each), output)
        command = snakemake_command(directory, "--configfile", str(write_config(directory, given)))
        runs.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean_environment())
        )
    said = [run.communicate(timeout=120)[0].decode() for run in runs]
    codes = [run.returncode for run in runs]
    assert sorted(code == 0 for code in codes) == [False, True], said
    loser = said[[code != 0 for code in codes].index(True)]
    assert "another run" in loser and "Traceback" not in loser
    winner = next(name for name, code in zip(texts, codes, strict=True) if code == 0)
    assert entity_rows(output / "entities.parquet") == annotate_plainly(tiny_pipeline, texts[winner])


@pytest.fixture(scope="module")
def done(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("done")
    shutil.copytree(tiny_pipeline, directory / "pipeline")
    given = settings(directory / "pipeline", write_jsonl(directory / "corpus.jsonl", TEXTS), "results")
    assert run_workflow(directory, given).returncode == 0
    return directory, given


def replace_keeping_time(path: Path, content: bytes, seconds: float) -> None:
    """Replace a file by another one whose time lies `seconds` after that of the first, as `cp -p` may."""
    found = path.stat()
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(found.st_mtime_ns, found.st_mtime_ns + int(seconds * 1e9)))
    other.replace(path)


def run_again(directory: Path, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    again = run_workflow(directory, given)
    assert again.returncode == 0 and "Nothing to be done" not in again.stderr, again.stderr
    return entity_rows(directory / "results/entities.parquet")


@pytest.mark.parametrize("seconds", [-86_400, 0])
def test_a_file_replaced_by_an_older_one_is_read_again(
    seconds: float, done: tuple[Path, dict[str, Any]], tiny_pipeline: Path, tmp_path: Path
) -> None:
    directory, given = done
    texts = make_texts(41, seed=int(seconds) % 97)
    replace_keeping_time(directory / "corpus.jsonl", write_jsonl(tmp_path / "new.jsonl", texts).read_bytes(), seconds)
    assert run_again(directory, given) == annotate_plainly(tiny_pipeline, texts)


def test_a_pipeline_replaced_by_an_older_one_annotates_again(
    done: tuple[Path, dict[str, Any]], tiny_pipeline: Path
) -> None:
    directory, given = done
    meta = directory / "pipeline/meta.json"
    changed = meta.read_bytes().replace(b'"version":"', b'"version":"9')
    assert changed != meta.read_bytes()
    replace_keeping_time(meta, changed, -86_400)
    run_again(directory, given)
    assert '"9' in (directory / "results/.work/pipeline.json").read_text()
