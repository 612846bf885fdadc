"""How a result was made: the provenance of a run, from its settings, its manifest, its pipeline and its jobs."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import shardner
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.data.provenance import CodeVersion, Host, Provenance, ProvenanceDevice
from shardner.model.pipeline import Pipeline, describe_pipeline
from shardner.parse.command_line import recall_command, recall_reading
from shardner.parse.fingerprint import fingerprint

#: Packages whose version can change a result or explain a figure, where installed.
PACKAGES = (
    "snakemake", "spacy", "thinc", "numpy", "blis", "polars", "vl-convert-python",
    "cupy-cuda12x", "cupy-cuda13x", "torch", "spacy-transformers", "spacy-curated-transformers",
)  # fmt: skip


def describe_run(config: Mapping[str, Any], manifest: Manifest, pipeline: Pipeline, jobs: Iterable[Job]) -> Provenance:
    """Return the provenance of a run.

    Args:
        config: the settings as run, defaults filled in.
        manifest: names the input files with their checksums.
        pipeline: the pipeline that annotated.
        jobs: the records of the annotate jobs: they name hosts, devices and engines.
    """
    jobs = list(jobs)
    return Provenance(
        shardner=CodeVersion(shardner.__version__, fingerprint("annotate_shard"), _find_commit()),
        command=recall_command(),
        config=config,
        read_as=recall_reading(),
        inputs=manifest.files,
        model=describe_pipeline(pipeline),
        engines=tuple(sorted({f"{job.engine}: {job.engine_reason}" for job in jobs if job.engine})),
        devices=_list_devices(jobs),
        hosts=_list_hosts(jobs),
        packages=_find_versions(PACKAGES),
        python=platform.python_version(),
        platform=platform.platform(),
    )


def _list_hosts(jobs: Iterable[Job]) -> tuple[Host, ...]:
    found: dict[str, Host] = {}
    for job in jobs:
        has = job.host_resources
        found[job.host] = Host(job.host, has.cores, has.memory_bytes) if has else found.get(job.host, Host(job.host))
    return tuple(found[name] for name in sorted(found))


def _list_devices(jobs: Iterable[Job]) -> tuple[ProvenanceDevice, ...]:
    found = {
        (job.host, job.device, job.device_uuid): ProvenanceDevice(
            job.host, job.device, job.device_uuid, job.device_memory_bytes, job.driver, job.cuda
        )
        for job in jobs
    }
    return tuple(found[key] for key in sorted(found, key=lambda key: tuple(map(str, key))))


def _find_versions(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _find_commit() -> str | None:
    """Return the commit of the workflow's checkout, with ``-dirty`` where files differ from it; None without Git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
