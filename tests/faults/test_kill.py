"""Promise 3: a run that is killed at any moment and started again ends in the same files."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from harness import processes_of
from making import (
    annotate_plainly,
    clean_environment,
    entity_rows,
    make_texts,
    run_workflow,
    shard_names,
    snakemake_command,
    wait_for,
    write_config,
    write_jsonl,
)
from shardner.data.tables import find_table

TEXTS = make_texts(400, seed=5)
SHARDS = 6


def start(directory: Path, given: dict[str, Any]) -> subprocess.Popen[bytes]:
    command = snakemake_command(directory, "--configfile", str(write_config(directory, given)))
    with (directory / "run.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment(), start_new_session=True)


def finished_shards(directory: Path) -> dict[Path, int]:
    """Return the records of finished annotate jobs, which are written last, with their times."""
    jobs = directory / "results/.work/jobs/annotate_shard"
    return {path: path.stat().st_mtime_ns for path in sorted(jobs.glob("*/?????.json"))} if jobs.is_dir() else {}


def wait_while_running(directory: Path, run: subprocess.Popen[bytes], condition: Callable[[], object]) -> None:
    """Wait until `condition` holds in a run that has not ended."""

    def log() -> str:
        return (directory / "run.log").read_text()

    def holds() -> object:
        found = condition()
        assert found or run.poll() is None, log()
        return found

    wait_for(holds, log)


def resume(directory: Path, given: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    run_workflow(directory, given, "--unlock")
    return run_workflow(directory, given)


@pytest.mark.parametrize(("moment", "everything"), [(1, True), (2, True), (3, False)])
def test_a_killed_run_goes_on_and_redoes_only_unfinished_shards(
    moment: int, everything: bool, tiny_pipeline: Path, tmp_path: Path, rng: random.Random
) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", TEXTS)
    given = {"corpus": {"files": [str(corpus)]}, "model": {"name": str(tiny_pipeline)}, "shards": {"count": SHARDS}}
    run = start(tmp_path, given)
    # somewhere between the first finished shard and the last: the machine's speed decides where exactly
    wait_while_running(
        tmp_path, run, lambda: sum(not incomplete(tmp_path, path) for path in finished_shards(tmp_path)) >= moment
    )
    time.sleep(rng.random())
    if everything:
        os.killpg(run.pid, signal.SIGKILL)
    else:
        run.kill()  # its jobs live on and finish writing
    run.wait(60)
    wait_for(lambda: not processes_of(tmp_path), "the processes of a killed run end")
    before = finished_shards(tmp_path)
    recorded = [path for path in before if not incomplete(tmp_path, path)]
    resumed = resume(tmp_path, given)
    assert resumed.returncode == 0, resumed.stderr
    after = finished_shards(tmp_path)
    assert recorded and all(after[path] == before[path] for path in recorded)
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(tiny_pipeline, TEXTS)
    assert pl.read_parquet(tmp_path / "results/documents.parquet")["doc"].to_list() == list(range(len(TEXTS)))
    assert not [path for path in (tmp_path / "results").rglob("*.tmp") if path.is_file()]


@pytest.mark.parametrize(
    ("layout", "begun"),
    [
        ("file", "split_part/*.log"),
        ("file", "number_documents/all.log"),
        ("file", "merge_parts/all.log"),
        ("dataset", "merge_part/*.log"),
    ],
)
def test_a_run_that_is_killed_around_annotation_goes_on(
    layout: str, begun: str, tiny_pipeline: Path, tmp_path: Path, rng: random.Random
) -> None:
    """The corpus has several parts, records that are rejected, and ids that occur in two parts."""
    files = [write_jsonl(tmp_path / f"{name}.jsonl", TEXTS[:count]) for name, count in (("b", 200), ("a", 150))]
    files[1].write_bytes(files[1].read_bytes().replace(b'{"id": "d', b'{"id": "e', 50) + b"{broken\n")
    given = {
        "corpus": {"files": [str(path) for path in files]},
        "model": {"name": str(tiny_pipeline)},
        "output": {"layout": layout},
    }
    sizes = tmp_path / "results/.work/sizes.json"
    sizes.parent.mkdir(parents=True)
    sizes.write_text(json.dumps({"shard_chars": 10_000, "part_chars": 10_000, "chars_per_s": 2_500}))
    run = start(tmp_path, given)
    logs = tmp_path / "results/.work/logs"
    wait_while_running(tmp_path, run, lambda: list(logs.glob(begun)))
    time.sleep(rng.random())
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(60)
    wait_for(lambda: not processes_of(tmp_path), "the processes of a killed run end")
    resumed = resume(tmp_path, given)
    assert resumed.returncode == 0, resumed.stderr
    tables = [find_table(tmp_path / "results", name) for name in ("entities", "documents", "rejected")]
    entities, documents, rejected = (pl.read_parquet(table) for table in tables)
    texts = [*TEXTS[:200], *TEXTS[:50]]
    assert entities.select("doc", "start", "end", "text", "label").rows() == annotate_plainly(tiny_pipeline, texts)
    assert documents["doc"].to_list() == list(range(250))
    assert documents["id"].to_list() == [f"d{number}" for number in range(200)] + [f"e{number}" for number in range(50)]
    assert rejected["row"].to_list() == list(range(50, 151))
    assert not [path for path in (tmp_path / "results").rglob("*.tmp") if path.is_file()]


def incomplete(directory: Path, path: Path) -> bool:
    """Tell whether Snakemake had noted a job's output as not complete when it was killed."""
    import base64

    name = base64.urlsafe_b64encode(str(path.relative_to(directory)).encode()).decode()
    return bool(list((directory / ".snakemake" / "incomplete").rglob(name)))


def test_what_a_killed_worker_had_is_annotated_again_in_the_same_job(tiny_pipeline: Path, tmp_path: Path) -> None:
    texts = make_texts(4000, seed=6)
    corpus = write_jsonl(tmp_path / "corpus.jsonl", texts)
    given = {"corpus": {"files": [str(corpus)]}, "model": {"name": str(tiny_pipeline)}, "shards": {"count": 1}}
    run = start(tmp_path, given)
    os.kill(wait_for_workers(tmp_path, run)[0], signal.SIGKILL)
    output, [shard] = (tmp_path / "run.log").read_text, shard_names(corpus, 1)
    assert run.wait(120) == 0, output()
    assert output().count(f"Annotating shard {shard}") == 1
    assert "a worker died" in (tmp_path / f"results/.work/logs/annotate_shard/{shard}.log").read_text()
    assert pl.read_parquet(tmp_path / "results/rejected.parquet").is_empty()
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(tiny_pipeline, texts)


def workers_of(snakemake: int) -> list[int]:
    """Return the worker processes below a run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if "spawn_main" in (process / "cmdline").read_text() and os.getsid(int(process.name)) == snakemake:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_for_workers(directory: Path, run: subprocess.Popen[bytes]) -> list[int]:
    """Return the first worker processes of a run."""
    found: list[int] = []

    def look() -> bool:
        found.extend(workers_of(run.pid))
        return bool(found)

    wait_while_running(directory, run, look)
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended may still wait for somebody to ask how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("after_s", [0, 0.3, 0.6])  # while it starts, and while it waits for its first block
def test_no_worker_outlives_its_job(after_s: float, tiny_pipeline: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", make_texts(4000, seed=6))
    given = {"corpus": {"files": [str(corpus)]}, "model": {"name": str(tiny_pipeline)}, "shards": {"count": 1}}
    run = start(tmp_path, given)
    workers = wait_for_workers(tmp_path, run)
    parents = {
        int((Path("/proc") / str(worker) / "stat").read_text().rsplit(")", 1)[1].split()[1]) for worker in workers
    }
    time.sleep(after_s)
    for parent in parents:
        os.kill(parent, signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, workers)), "the workers end with their job", patience_s=20)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(60)
