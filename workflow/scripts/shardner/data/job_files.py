"""The record of a job as a JSON file."""

from __future__ import annotations

from pathlib import Path

from shardner.data.metrics import Job
from shardner.data.typed_json import read_json, write_json


def write_job(path: Path, job: Job) -> None:
    """Write the record of a job, atomically."""
    write_json(path, job)


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it is not the record of a job.
    """
    return read_json(path, Job)
