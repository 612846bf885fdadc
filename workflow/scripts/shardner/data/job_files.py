"""The record of a job as a JSON file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.data.typed_json import read_json, write_json
from shardner.errors import JsonFileError


def write_job(path: Path, job: Job) -> None:
    """Write the record of a job, atomically."""
    write_json(path, job)


def read_annotate_jobs(directory: Path, manifest: Manifest) -> list[Job]:
    """Read the records of the annotate jobs of all shards, in corpus order.

    A record has the number of its shard in the part; here it gets that in the corpus.

    Args:
        directory: of the records of all jobs.
        manifest: of the corpus.

    Raises:
        OSError, JsonFileError: as `read_job`; one that is gone is a `JsonFileError`.
    """
    return [
        replace(
            _read_kept(directory / "annotate_shard" / part.name / f"{shard:05d}.json"), shard=part.first_shard + shard
        )
        for part in manifest.parts
        for shard in range(part.shards)
    ]


def read_part_jobs(directory: Path, manifest: Manifest) -> list[Job]:
    """Read the records of the jobs that split the parts and annotated their shards, each in corpus order.

    Raises:
        OSError, JsonFileError: as `read_annotate_jobs`.
    """
    split = [_read_kept(directory / "split_part" / f"{part.name}.json") for part in manifest.parts]
    return [*read_annotate_jobs(directory, manifest), *split]


def _read_kept(path: Path) -> Job:
    try:
        return read_job(path)
    except FileNotFoundError as error:
        raise JsonFileError(f"{path} is gone; type `snakemake` without a target, which makes it again") from error


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it is not the record of a job.
    """
    return read_json(path, Job)
