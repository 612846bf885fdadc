"""The record of a job as a JSON file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from shardner.data.metrics import Job
from shardner.data.typed_json import read_json, write_json


def write_job(path: Path, job: Job) -> None:
    """Write the record of a job, atomically."""
    write_json(path, job)


def read_annotate_jobs(paths: Iterable[Path | str]) -> list[Job]:
    """Read the records of the annotate jobs of all shards, which come in corpus order.

    A record has the number of its shard in the part; here it gets that in the corpus.

    Raises:
        OSError, JsonFileError: as `read_job`.
    """
    return [replace(read_job(Path(path)), shard=number) for number, path in enumerate(paths)]


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it is not the record of a job.
    """
    return read_json(path, Job)
