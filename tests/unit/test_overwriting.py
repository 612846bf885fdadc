"""A run writes over nothing of its user's. All of it is decided from names; nothing here runs a workflow."""

from __future__ import annotations

import os
import re
from pathlib import Path

import polars as pl
import pytest
from making import ROOT
from shardner.errors import ConfigError
from shardner.parse.overwriting import RESULT_NAMES, RUN_KEY, refuse_foreign_results, refuse_overwriting


def refused(output: Path, path: Path) -> bool:
    try:
        refuse_overwriting(output, {"corpus.files": [path]})
    except ConfigError as error:
        assert str(path) in str(error) and "output: {dir:" in str(error)
        return True
    return False


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


@pytest.mark.parametrize("name", RESULT_NAMES)
def test_an_input_is_no_result(name: str, tmp_path: Path) -> None:
    for path in (make(tmp_path / "a" / name), make(tmp_path / "b" / name / "deep" / "file.parquet")):
        assert refused(tmp_path / path.relative_to(tmp_path).parts[0], path)
        assert not refused(tmp_path / "elsewhere", path)


def test_relative_paths_and_links_lead_to_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make(tmp_path / "data/documents.parquet").parent
    monkeypatch.chdir(data)
    assert refused(Path(), data / "documents.parquet") and refused(data, Path("documents.parquet"))
    assert refused(Path("../data/../data"), Path("./documents.parquet"))
    (tmp_path / "link").symlink_to(data)
    assert refused(tmp_path / "link", data / "documents.parquet") and refused(data, tmp_path / "link/documents.parquet")
    (tmp_path / "mine.parquet").symlink_to(data / "documents.parquet")
    assert refused(data, tmp_path / "mine.parquet")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report.html").symlink_to(make(tmp_path / "corpus.jsonl"))
    (tmp_path / "out/.work").symlink_to(make(tmp_path / "more/corpus.jsonl").parent)
    assert refused(tmp_path / "out", tmp_path / "corpus.jsonl")
    assert refused(tmp_path / "out", tmp_path / "more/corpus.jsonl")


def test_other_files_in_the_directory_are_free(tmp_path: Path) -> None:
    for name in ("corpus.jsonl", "Documents.parquet", "entities.parquet.jsonl", "work/a.txt", "entities2/a.txt"):
        assert not refused(tmp_path, make(tmp_path / name))


def test_case_counts_where_the_file_system_says_so(tmp_path: Path) -> None:
    """A second name of the same file stands for a file system that does not tell them apart."""
    path = make(tmp_path / "DOCUMENTS.parquet")
    os.link(path, tmp_path / "documents.parquet")
    assert refused(tmp_path, path)


def test_results_do_not_lie_in_the_pipeline(tmp_path: Path) -> None:
    pipeline = make(tmp_path / "pipeline/config.cfg").parent
    (tmp_path / "link").symlink_to(pipeline)
    for output in (pipeline, pipeline / "results", tmp_path / "link" / "a/b"):
        with pytest.raises(ConfigError, match="inside the pipeline"):
            refuse_overwriting(output, {}, pipeline)
    refuse_overwriting(tmp_path / "results", {}, pipeline)
    refuse_overwriting(tmp_path, {}, pipeline)  # the pipeline beside the results is not touched


def test_files_of_others_are_not_written_over(tmp_path: Path) -> None:
    refuse_foreign_results(tmp_path / "new")
    for name in ("documents.parquet", "report.html", "entities/cat.png"):
        output = make(tmp_path / name.replace("/", "-") / name).parents[name.count("/")]
        with pytest.raises(ConfigError, match=r"is not of a run.*written over"):
            refuse_foreign_results(output)
        (output / ".work").mkdir()
        refuse_foreign_results(output)
    with pytest.raises(ConfigError, match="is a file"):
        refuse_foreign_results(make(tmp_path / "file"))


@pytest.mark.parametrize("name", ["entities.parquet", "entities/part-00000.parquet"])
def test_results_whose_work_was_deleted_are_a_run_s(name: str, tmp_path: Path) -> None:
    make(tmp_path / "report.html")
    (tmp_path / "entities").mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / name, metadata={RUN_KEY: "shardner 1"})
    refuse_foreign_results(tmp_path)


def test_every_output_of_a_rule_is_known() -> None:
    """What the rules write below the directory of results begins with one of the names."""
    rules = "".join(path.read_text("utf-8") for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    written = set(re.findall(r'\bOUT / "([^"/{]+)', rules))
    assert len(written) > 8 and written <= set(RESULT_NAMES)
