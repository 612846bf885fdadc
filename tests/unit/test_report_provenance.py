from __future__ import annotations

import dataclasses
from pathlib import Path

from report_fixture import CONFIG, PIPELINE, Shape, build_run
from shardner.data.metrics import HostResources
from shardner.data.provenance import Host, Provenance
from shardner.data.typed_json import from_plain, to_plain
from shardner.stages.provenance import describe_run

GIB = 1 << 30


def test_the_file_has_the_keys_that_its_readers_know(tmp_path: Path) -> None:
    plain = to_plain(build_run(tmp_path).describe())
    assert list(plain) == [
        "shardner", "command", "config", "read_as", "inputs", "model", "engines", "devices", "hosts", "packages",
        "python", "platform",
    ]  # fmt: skip
    assert list(plain["shardner"]) == ["version", "code", "commit"]
    assert list(plain["inputs"][0]) == ["path", "bytes", "sha256", "documents", "rejected"]
    assert "sys_path" not in plain["model"] and plain["model"]["components"] == ["tok2vec", "sentencizer", "ner"]
    assert plain["config"] == CONFIG and "spacy" in plain["packages"]
    assert from_plain(plain, Provenance) == build_run(tmp_path / "again").describe()


def test_a_gpu_has_memory_and_driver_and_a_cpu_has_neither(tmp_path: Path) -> None:
    gpus = to_plain(build_run(tmp_path / "gpu").describe())["devices"]
    assert gpus == [
        {
            "host": "node-a", "name": "NVIDIA H200", "uuid": uuid, "memory_bytes": 139 * GIB, "driver": "570.124.06",
            "cuda": "12.8",
        }
        for uuid in ("GPU-0", "GPU-1")
    ]  # fmt: skip
    cpus = to_plain(build_run(tmp_path / "cpu", Shape(devices=0)).describe())["devices"]
    assert cpus == [{"host": "node-a", "name": "AMD EPYC", "uuid": None}]


def test_every_host_that_annotated_is_described_by_its_own_jobs(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    jobs = [job for job in run.jobs if job.shard is not None]
    large, silent = HostResources(64, 8, 512 * GIB), None
    jobs[3] = dataclasses.replace(jobs[3], host="node-b", host_resources=large)
    jobs[5] = dataclasses.replace(jobs[5], host="node-b", host_resources=silent)
    jobs[7] = dataclasses.replace(jobs[7], host="node-c", host_resources=silent)
    hosts = describe_run(CONFIG, run.manifest, PIPELINE, jobs).hosts
    assert hosts == (Host("node-a", 16, 128 * GIB), Host("node-b", 64, 512 * GIB), Host("node-c"))
    assert to_plain(hosts[2]) == {"name": "node-c"}
