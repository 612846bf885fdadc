"""How a result was made: everything that someone needs to make it again."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import shardner
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.model.pipeline import Pipeline, describe_pipeline
from shardner.parse.command_line import recall_command
from shardner.parse.fingerprint import fingerprint

#: Packages whose version can change a result or explain a figure, where installed.
PACKAGES = (
    "snakemake", "spacy", "thinc", "numpy", "blis", "polars", "altair", "vl-convert-python",
    "cupy-cuda12x", "cupy-cuda13x", "torch", "spacy-transformers", "spacy-curated-transformers",
)  # fmt: skip


def describe_run(
    config: Mapping[str, Any], manifest: Manifest, pipeline: Pipeline, jobs: Iterable[Job]
) -> dict[str, Any]:
    """Return the provenance of a run, ready for JSON.

    Args:
        config: the settings as run, defaults filled in.
        manifest: names the input files with their checksums.
        pipeline: the pipeline that annotated.
        jobs: those that annotated: they name hosts, devices and engines.
    """
    jobs = list(jobs)
    return {
        "shardner": {
            "version": shardner.__version__,
            "code": fingerprint("annotate_shard"),
            "commit": _commit(),
        },
        "command": recall_command(),
        "config": config,
        "inputs": [dataclasses.asdict(file) for file in manifest.files],
        "model": describe_pipeline(pipeline),
        "engines": sorted({f"{job.engine}: {job.engine_reason}" for job in jobs if job.engine}),
        "devices": _devices(jobs),
        "hosts": [_host(name) for name in sorted({job.host for job in jobs})],
        "packages": _versions(PACKAGES),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _host(name: str) -> dict[str, Any]:
    """Describe a host; how large it is, is known only of the one that asks."""
    if name != socket.gethostname():
        return {"name": name}
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"name": name, "cores": os.cpu_count(), "memory_bytes": memory_bytes}


def _devices(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    devices = {(job.host, job.device, job.device_uuid): job for job in jobs}
    return [
        {"host": host, "name": name, "uuid": uuid, **(_gpu(job) if uuid else {})}
        for (host, name, uuid), job in sorted(devices.items(), key=lambda each: tuple(map(str, each[0])))
    ]


def _gpu(job: Job) -> dict[str, Any]:
    return {"memory_bytes": job.device_memory_bytes, "driver": job.driver, "cuda": job.cuda}


def _versions(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """Return the commit of the workflow's checkout, with ``-dirty`` behind it where files differ; None without git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
