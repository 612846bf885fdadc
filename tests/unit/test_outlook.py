from __future__ import annotations

from pathlib import Path

import pytest
from shardner.config import parse_config
from shardner.parse import dry_run as outlook
from shardner.parse.dry_run import Places, describe_outlook
from shardner.parse.pipeline_source import Source, SourceKind

SOURCE = Source(SourceKind.PACKAGE, "en_core_web_sm")


def shown(tmp_path: Path, files: list[tuple[Path, int]] | None, places: Places) -> str:
    config = parse_config({"corpus": {"files": ["s3://b/x.jsonl"]}, "output": {"dir": str(tmp_path / "a" / "b")}})
    return describe_outlook(config, SOURCE, files, 42, places).replace("\xa0", " ")


def test_a_plan_says_sizes_shards_jobs_and_disk(tmp_path: Path) -> None:
    files = [(Path("a.jsonl.gz"), 1 << 30), (Path("b.jsonl.gz"), 1 << 30), (Path("c.parquet"), 1 << 20)]
    text = shown(tmp_path, files, Places(gpu=True, workers=4, jobs=2))
    assert "corpus  3 files (2 .jsonl.gz, 1 .parquet), 2.0 GiB" in text
    assert "text  about 6.44G characters" in text and "shards  42 of about 153M characters" in text
    assert "en_core_web_sm; engine fused where it is exact" in text
    assert "2 at once, a GPU each, 4 workers a job" in text
    assert "disk  about 2.4 GiB of results and 5.4 GiB in" in text


def test_names_are_aligned(tmp_path: Path) -> None:
    lines = shown(tmp_path, [(Path("a.txt"), 5)], Places(gpu=False, workers=1, jobs=8)).splitlines()[1:]
    assert {line[10:12] for line in lines} == {"  "} and all(line[9] != " " and line[12] != " " for line in lines)


def test_what_has_not_been_fetched_has_no_size(tmp_path: Path) -> None:
    text = shown(tmp_path, None, Places(gpu=False, workers=None, jobs=None))
    assert (
        "1 URL, not fetched yet" in text
        and "disk" not in text
        and "as many at once as the scheduler allows, on the cluster" in text
    )


def test_a_disk_that_is_too_small_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(tmp_path, [(Path("a.txt"), 10**16)], Places(gpu=False, workers=1, jobs=1))
    assert text.endswith("free: not enough") and outlook.RESULT_BYTES < outlook.WORK_BYTES
