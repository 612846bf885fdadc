from __future__ import annotations

from pathlib import Path

from shardner.config import parse_config
from shardner.parse.dry_run import describe_plan
from shardner.parse.limits import Limits
from shardner.parse.part_plan import PlannedPart
from shardner.parse.pipeline_source import Source, SourceKind
from shardner.parse.run_plan import RunPlan

#: Jobs on the CPU of this machine, on two GPUs of it, and on a cluster.
CPU = Limits(local=True, cores=8, cluster_jobs=None, gpu_jobs=None, gpus_per_job=0, threads="auto")
GPUS = Limits(local=True, cores=8, cluster_jobs=None, gpu_jobs=2, gpus_per_job=1, threads="auto")
CLUSTER = Limits(local=False, cores=None, cluster_jobs=None, gpu_jobs=None, gpus_per_job=1, threads="auto")


def shown(tmp_path: Path, files: list[tuple[Path, int]] | None, limits: Limits, new_shards: int | None = None) -> str:
    config = parse_config({"corpus": {"files": ["s3://b/x.jsonl"]}, "output": {"dir": str(tmp_path / "a" / "b")}})
    source = Source(SourceKind.PACKAGE, "en_core_web_sm")
    parts = (PlannedPart("a", (), 40), PlannedPart("b", (), 2))
    plan = RunPlan(config, source, None if files is None else tuple(files), parts, None)
    return describe_plan(plan, limits, new_shards).replace("\xa0", " ")


def test_a_plan_says_sizes_shards_jobs_and_disk(tmp_path: Path) -> None:
    files = [(Path("a.jsonl.gz"), 1 << 30), (Path("b.jsonl.gz"), 1 << 30), (Path("c.parquet"), 1 << 20)]
    text = shown(tmp_path, files, GPUS)
    assert "corpus  3 files (2 .jsonl.gz, 1 .parquet), 2.0 GiB" in text
    assert "text  about 6.44G characters" in text and "shards  42 of about 153M characters" in text
    assert "en_core_web_sm; engine fused where it is exact" in text
    assert "2 at once, a GPU each, 4 workers a job" in text
    assert "disk  about 2.4 GiB of results and 5.4 GiB in" in text


def test_jobs_without_a_gpu_are_said_to_run_on_the_cpu(tmp_path: Path) -> None:
    assert "8 at once, on the CPU, 1 worker a job" in shown(tmp_path, [(Path("a.txt"), 5)], CPU)


def test_shards_that_are_kept_are_said(tmp_path: Path) -> None:
    files = [(Path("a.txt"), 4_200_000)]
    assert "42 of about 100k characters\n" in shown(tmp_path, files, CPU)
    assert "42 of about 100k characters, 40 kept and 2 new\n" in shown(tmp_path, files, CPU, 2)
    assert "shards  42, 0 kept and 42 new\n" in shown(tmp_path, None, CLUSTER, 42)


def test_names_are_aligned(tmp_path: Path) -> None:
    lines = shown(tmp_path, [(Path("a.txt"), 5)], CPU).splitlines()[1:]
    assert {line[10:12] for line in lines} == {"  "} and all(line[9] != " " and line[12] != " " for line in lines)


def test_what_has_not_been_fetched_has_no_size(tmp_path: Path) -> None:
    text = shown(tmp_path, None, CLUSTER)
    assert "1 URL, not fetched yet" in text and "disk" not in text
    assert "as many at once as the scheduler allows, on the cluster" in text


def test_a_disk_that_is_too_small_is_said(tmp_path: Path) -> None:
    assert shown(tmp_path, [(Path("a.txt"), 10**16)], CPU).endswith("free: not enough")
    assert shown(tmp_path, [(Path("a.txt"), 5)], CPU).endswith("free")
