from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from shardner.config import parse_config
from shardner.corpus.input_files import InputFiles
from shardner.errors import ConfigError, CorpusError, ModelError
from shardner.parse.pipeline_source import SourceKind
from shardner.parse.run_plan import GENERATED_BYTES, GENERATED_CORPUS, RunPlan, plan_run


def plan(files: Sequence[Path | str], *, on_gpus: bool = False, **settings: Any) -> RunPlan:
    config = parse_config({"corpus": {"files": list(map(str, files))}, **settings})
    found = InputFiles(Path("listing.json"), begins=True)
    return plan_run(config, found.find, lambda path: found.can_be_entered(path, config.corpus), on_gpus=on_gpus)


def write(path: Path, chars: int) -> Path:
    path.write_text("x" * chars)
    return path


def test_a_corpus_is_planned_before_it_is_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = plan(["generated"], model={"name": "trained"})
    assert found.files == ((GENERATED_CORPUS, GENERATED_BYTES),) and found.user_files == ()
    assert found.is_generated and found.source.kind is SourceKind.TRAINED
    assert (len(found.parts), found.shards) == (1, 4)


def test_files_are_planned_with_their_sizes_in_the_order_of_the_settings(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, chars) for name, chars in (("b.txt", 3_000_000), ("a.txt", 10))]
    found = plan(paths, model={"name": "en_core_web_sm"})
    assert found.files == ((paths[0], 3_000_000), (paths[1], 10)) and found.user_files == tuple(paths)
    assert not found.is_generated and found.source.kind is SourceKind.PACKAGE
    assert [[each.path for each in part.stretches] for part in found.parts] == [[paths[0]], [paths[1]]]
    assert found.shards == sum(part.shards for part in found.parts) > 2
    assert plan(paths, shards={"count": 7}).shards == 7 and plan(paths, shards={"count": 7}).sizes is None


def test_a_gpu_gets_larger_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("large.jsonl").open("wb") as file:
        file.truncate(10**10)
    found, on_gpus = plan(["large.jsonl"]), plan(["large.jsonl"], on_gpus=True)
    assert found.shards == 751 and len(found.parts) == 375
    assert on_gpus.shards == len(on_gpus.parts) == 26
    start_up_s = 2.0  # is so much of a job whose workers annotate ten million characters a second
    assert start_up_s / (10**10 / on_gpus.shards / 10_000_000 + start_up_s) == pytest.approx(0.05, rel=0.05)


def test_a_dataset_has_a_file_a_part(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, chars) for name, chars in (("b.txt", 3_000_000), ("a.txt", 10))]
    formats = ["parquet", "csv", "jsonl"]
    found = plan(paths, output={"dir": "out", "layout": "dataset", "formats": formats, "spans": ["sc"]})
    assert found.table("entities") == ["entities/part-00000.parquet", "entities/part-00001.parquet"]
    names = [str(path) for path in found.results]
    assert names[:6] == [
        f"out/{table}/part-0000{part}.parquet" for table in ("entities", "documents", "rejected") for part in (0, 1)
    ]
    assert {"out/csv/part-00001.csv", "out/jsonl/part-00000.jsonl", "out/spans/part-00001.parquet"} <= set(names)
    assert [str(path) for path in found.shown_results][:3] == ["out/entities", "out/documents", "out/rejected"]


def test_a_shard_knows_its_part(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, chars) for name, chars in (("b.txt", 3_000_000), ("a.txt", 10))]
    found = plan(paths, shards={"count": 3})
    assert [found.part_of_shard[shard].name for shard in found.shard_names] == [
        part.name for part in found.parts for _ in range(part.shards)
    ]
    assert found.part_by_name[found.parts[1].name] is found.parts[1]


def test_urls_are_planned_without_sizes() -> None:
    found = plan(["snakemake+s3://bucket/a.jsonl"], shards={"count": 5})
    assert (found.files, found.user_files, found.is_generated, found.shards) == (None, (), False, 5)
    assert [part.name for part in found.parts] == ["all"]
    with pytest.raises(CorpusError, match=r"shards: \{count: 100\}"):
        plan(["snakemake+s3://bucket/a.jsonl"])


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


@pytest.mark.parametrize("name", ["a\x1b[31mb.txt", "a\nb.txt", "a\u202eb.txt", "a{b}.txt"])
def test_a_name_that_acts_on_terminal_or_snakemake_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rename it") as caught:
        plan([write(tmp_path / name, 10)])
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)
    plan([write(tmp_path / os.fsdecode(b"not-utf-8-\xff [1].txt"), 10)])
