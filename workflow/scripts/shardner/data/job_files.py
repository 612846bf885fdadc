"""The record of a job as a file of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shardner.data.files import write_text_atomically
from shardner.data.metrics import GpuUse, Job, Joins, Totals, Worker


def write_job(path: Path, job: Job) -> None:
    """Write a job's record as JSON, atomically."""
    write_text_atomically(path, json.dumps(dataclasses.asdict(job), indent=1) + "\n")


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote."""
    data = json.loads(path.read_text("utf-8"))
    workers = tuple(Worker(**{**each, "totals": Totals(**each["totals"])}) for each in data.pop("workers"))
    use, joins = data.pop("gpu_use", None), data.pop("joins", None)
    return Job(
        **{
            **data,
            "totals": Totals(**data["totals"]),
            "workers": workers,
            "gpu_use": GpuUse(**use) if use else None,
            "joins": _read_joins(joins) if joins else Joins(),
        }
    )


def _read_joins(data: Mapping[str, Any]) -> Joins:
    return Joins(**{**data, "shown": tuple((doc, place) for doc, place in data["shown"])})
