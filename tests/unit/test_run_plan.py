from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from shardner.config import parse_config
from shardner.corpus.input_files import find_files
from shardner.errors import ConfigError, CorpusError, ModelError
from shardner.parse.pipeline_source import SourceKind
from shardner.parse.run_plan import DEMO_CORPUS, DEMO_CORPUS_BYTES, RunPlan, plan_run
from shardner.parse.shard_plan import plan_shards


def plan(files: Sequence[Path | str], **settings: Any) -> RunPlan:
    return plan_run(parse_config({"corpus": {"files": list(map(str, files))}, **settings}), find_files)


def write(path: Path, chars: int) -> Path:
    path.write_text("x" * chars)
    return path


def test_the_demo_is_planned_before_its_corpus_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = plan(["demo"], model={"name": "demo"})
    assert found.files == ((DEMO_CORPUS, DEMO_CORPUS_BYTES),) and found.user_files == ()
    assert found.is_demo and found.source.kind is SourceKind.DEMO and found.shards == plan_shards(DEMO_CORPUS_BYTES)


def test_files_are_planned_with_their_sizes_in_the_order_of_the_settings(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, chars) for name, chars in (("b.txt", 3_000_000), ("a.txt", 10))]
    found = plan(paths, model={"name": "en_core_web_sm"})
    assert found.files == ((paths[0], 3_000_000), (paths[1], 10)) and found.user_files == tuple(paths)
    assert not found.is_demo and found.source.kind is SourceKind.PACKAGE and found.shards == plan_shards(3_000_010)
    assert plan(paths, shards={"count": 7}).shards == 7


def test_urls_are_planned_without_sizes() -> None:
    found = plan(["s3://bucket/a.jsonl"], shards={"count": 5})
    assert (found.files, found.user_files, found.is_demo, found.shards) == (None, (), False, 5)
    with pytest.raises(CorpusError, match=r"shards: \{count: 100\}"):
        plan(["s3://bucket/a.jsonl"])


def test_results_are_tables_and_reports_and_the_formats_that_are_asked_for(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.txt", 9)]
    names = ["entities.parquet", "documents.parquet", "rejected.parquet"]
    names += ["performance.json", "report.html", "provenance.json"]
    assert [str(path) for path in plan(files, output={"dir": "out"}).results] == [f"out/{name}" for name in names]
    output = {"dir": "out", "formats": ["parquet", "spacy", "jsonl", "csv"]}
    found = plan(files, output=output, shards={"count": 2})
    assert [path.name for path in found.results[6:]] == [
        "entities.csv",
        "documents.jsonl",
        "00000.spacy",
        "00001.spacy",
    ]
    assert found.shard_names == ("00000", "00001")
    assert plan(files, output={"spans": ["sc"]}).results[6].name == "spans.parquet"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("{x}.txt", {}), ("a.txt", {"output": {"dir": "<out>"}}), ("a.txt", {"model": {"name": "{}"}})],
)
def test_names_that_snakemake_takes_for_patterns_are_refused(
    name: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("{}").mkdir()
    Path("{}", "config.cfg").touch()
    write(Path(name), 9)
    with pytest.raises(ConfigError, match="wildcards"):
        plan([name], **settings)


def test_a_wrong_pipeline_is_told_before_the_files_are_looked_for() -> None:
    with pytest.raises(ModelError):
        plan(["none.jsonl"], model={"name": "models/none"})
    with pytest.raises(CorpusError):
        plan(["none.jsonl"])
