"""The record of a job as a JSON file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.data.typed_json import read_json, write_json


def write_job(path: Path, job: Job) -> None:
    """Write the record of a job, atomically."""
    write_json(path, job)


def read_annotate_jobs(directory: Path, manifest: Manifest) -> list[Job]:
    """Read the records of the annotate jobs of all shards, in corpus order.

    A record has the number of its shard in the part; here it gets that in the corpus.

    Args:
        directory: with a directory of records for each part.
        manifest: of the corpus.

    Raises:
        OSError, JsonFileError: as `read_job`.
    """
    return [
        replace(read_job(directory / part.name / f"{shard:05d}.json"), shard=part.first_shard + shard)
        for part in manifest.parts
        for shard in range(part.shards)
    ]


def read_split_jobs(directory: Path, manifest: Manifest) -> list[Job]:
    """Read the records of the jobs that split the parts, in corpus order.

    Raises:
        OSError, JsonFileError: as `read_job`.
    """
    return [read_job(directory / f"{part.name}.json") for part in manifest.parts]


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it is not the record of a job.
    """
    return read_json(path, Job)
