"""Two runs in every combination of the same or another directory, output and corpus, in turn and at once.

Whatever happens, a run that says that it succeeded has left the entities of its own corpus, and one that may not go on
says why. tests/workflow/test_results_of_others.py has the messages.
"""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from making import (
    annotate_plainly,
    clean_environment,
    entity_rows,
    make_texts,
    snakemake_command,
    write_config,
    write_jsonl,
)

TEXTS = {"a": make_texts(60, seed=13), "b": make_texts(60, seed=14)}
COMBINATIONS = list(itertools.product([True, False], repeat=3))


def begin(directory: Path, output: Path, corpus: Path, model: Path) -> subprocess.Popen[str]:
    """Start a run, as a user does who knows of no other one."""
    directory.mkdir(exist_ok=True)
    given = {
        "corpus": {"files": [str(corpus)]},
        "model": {"name": str(model)},
        "output": {"dir": str(output)},
        "shards": {"count": 1},
    }
    config = write_config(directory, given).rename(directory / f"{output.name}-{corpus.stem}.yaml")
    return subprocess.Popen(
        snakemake_command(directory, str(output / "entities.parquet"), "--configfile", str(config)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean_environment(),
    )  # fmt: skip


@pytest.mark.sweep
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("same_directory", "same_output", "same_corpus"), COMBINATIONS)
def test_each_run_has_its_own_results_or_is_refused(
    same_directory: bool, same_output: bool, same_corpus: bool, at_once: bool, tiny_pipeline: Path, tmp_path: Path
) -> None:
    directories = [tmp_path / "one", tmp_path / ("one" if same_directory else "two")]
    outputs = [tmp_path / "results", tmp_path / ("results" if same_output else "others")]
    names = ["a", "a" if same_corpus else "b"]
    corpora = [write_jsonl(tmp_path / f"{name}.jsonl", TEXTS[name]) for name in names]
    runs, said = [], []
    for directory, output, corpus in zip(directories, outputs, corpora, strict=True):
        runs.append(begin(directory, output, corpus, tiny_pipeline))
        if not at_once:
            said.append(runs[-1].communicate(timeout=120)[0])
    said = said or [run.communicate(timeout=120)[0] for run in runs]
    succeeded = [run.returncode == 0 for run in runs]
    assert any(succeeded), said
    assert all("Traceback" not in text for text in said), said
    for done, output, name, text in zip(succeeded, outputs, names, said, strict=True):
        if not done:
            assert "another run" in text or "lock" in text, text
        elif at_once or not same_output or output is outputs[1]:
            found = entity_rows(output / "entities.parquet")
            # of two that succeed in one place, one after the other, the later one's results are there
            later = names[1] if same_output and all(succeeded) else name
            assert found == annotate_plainly(tiny_pipeline, TEXTS[later])
    if not at_once:
        assert succeeded == [True, same_directory or not same_output or same_corpus]
    elif not same_output and not same_directory:
        assert all(succeeded), said
