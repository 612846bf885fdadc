"""A run that never happened, but whose files, records and sums fit together."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from shardner.data.manifest import InputFile, Manifest, ShardInfo
from shardner.data.metrics import Job, Totals, Worker, add_up
from shardner.data.tables import DOCUMENTS, ENTITIES, REJECTED, WINDOWS

START_S = 1_760_000_000.0
GB = 1 << 30

NAMES = {
    "PERSON": ["Ada Okafor", "Jun Watanabe", "Lena Brandt", "Tomás Rivas", "Mira Sokolova", "P. Lindqvist"],
    "GPE": ["Utrecht", "Nairobi", "Osaka", "Valparaíso", "Ghent", "Tromsø"],
    "ORG": ["Harbour Trust", "Meridian Rail", "Copperfield & Daughters", "the Northern Water Board"],
    "DATE": ["last spring", "in March 1987", "on Tuesday", "two years ago"],
    "MONEY": ["€4.2 million", "$900", "12,000 kroner"],
    "WORK_OF_ART": ["The Long Ebb", "Seven Letters Home"],
}
SENTENCES = [
    "{PERSON} of {ORG} told reporters in {GPE} that the bridge would open {DATE}.",
    "When {PERSON} moved to {GPE}, nobody at {ORG} had read {WORK_OF_ART}.",
    "The council of {GPE} set {MONEY} aside {DATE}, more than {ORG} had asked for.",
    "It rained, and the ferry was late again.",
    "{PERSON} and {PERSON} sold their share of {ORG} for {MONEY}.",
]

SCORES = {
    "overall": {"precision": 0.964, "recall": 0.957, "f": 0.9605},
    "labels": {
        "PERSON": {"precision": 0.981, "recall": 0.977, "f": 0.979},
        "GPE": {"precision": 0.973, "recall": 0.958, "f": 0.9654},
        "ORG": {"precision": 0.921, "recall": 0.918, "f": 0.9195},
    },
}
MODEL = {
    "name": "en_demo_news",
    "version": "3.8.1",
    "sha256": "5d0c" * 16,
    "labels": list(NAMES),
    "components_kept": ["tok2vec", "sentencizer", "ner"],
    "components_left_out": {"tagger": "writes no entities", "lemmatizer": "writes no entities"},
    "notes": ["senter left out; the sentencizer sets sentence starts"],
}
PROVENANCE = {
    "shardner": {"version": "0.1.0", "commit": "0123456789ab"},
    "command": "snakemake --cores 16 --resources gpu=2",
    "python": "3.13.5",
    "config": {"corpus": {"files": ["demo"], "id": "id"}, "ner": {"engine": "auto", "threads": "auto"}},
    "packages": {"spacy": "3.8.7", "polars": "2.1.0", "numpy": "2.4.6"},
    "hosts": {
        "node-a": {
            "cores": 16,
            "memory_bytes": 128 * GB,
            "devices": [
                {"name": "NVIDIA H200", "uuid": "GPU-0", "memory_bytes": 139 * GB},
                {"name": "NVIDIA H200", "uuid": "GPU-1", "memory_bytes": 139 * GB},
            ],
        }
    },
}


@dataclass(frozen=True)
class Run:
    """What `write_report` takes."""

    jobs: list[Job]
    manifest: Manifest
    results: Path
    shard_paths: list[Path]

    def arguments(self, out: Path, **changes: Any) -> dict[str, Any]:
        given = {
            "jobs": self.jobs,
            "manifest": self.manifest,
            "model": MODEL,
            "provenance": PROVENANCE,
            "results": self.results,
            "shard_paths": self.shard_paths,
            "scores": SCORES,
            "html": out / "report.html",
            "performance_json": out / "performance.json",
        }
        return {**given, **changes}


@dataclass(frozen=True)
class Shape:
    """How a run looked."""

    shards: int = 12
    documents: int = 240
    devices: int = 2  # 0: CPU only
    slots: int = 1  # jobs side by side, a device
    workers: int = 3
    start_up_s: float = 2.1
    load_s: float = 1.4
    shard_s: float = 60.0  # of work, on average
    uneven: float = 0.1
    pause_after: int | None = None  # the run was interrupted before this shard
    rejected: int = 7
    write_shards: int = 100  # how many of the shards' files are there
    chars_factor: int = 1  # how much larger the corpus claims to be


DEFAULT = Shape()


def build_run(directory: Path, shape: Shape = DEFAULT, extra: list[tuple[str, str, str]] | None = None) -> Run:
    """Write a run's files into `directory`; `extra` are (id, text that is an entity, label)."""
    rng = random.Random(1)
    results = directory / "results"
    results.mkdir(parents=True)
    documents, entities = _make_documents(rng, shape, extra or [])
    _write_results(results, documents, entities, shape, extra or [])
    shard_paths = _write_shards(directory, documents, shape)
    manifest = _make_manifest(documents, shape)
    jobs = _make_jobs(rng, manifest, documents, entities, shape)
    return Run(jobs, manifest, results, shard_paths)


def _make_documents(
    rng: random.Random, shape: Shape, extra: list[tuple[str, str, str]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    documents: list[dict[str, Any]] = []
    entities: list[dict[str, Any]] = []
    for doc in range(shape.documents):
        name, text, found = f"article-{doc:05d}", "", []
        if doc < len(extra):
            name, value, label = extra[doc]
            found = [(len("Before it: "), value, label)]
            text = f"Before it: {value} and after it. "
        for _ in range(rng.randrange(3, 9)):
            for part in rng.choice(SENTENCES).replace("{", "\0{").replace("}", "}\0").split("\0"):
                if part.startswith("{"):
                    value = rng.choice(NAMES[part[1:-1]])
                    found.append((len(text), value, part[1:-1]))
                    text += value
                else:
                    text += part
            text += " "
        shard = doc * shape.shards // max(shape.documents, 1)
        documents.append(
            {"doc": doc, "id": name, "file": "news/part-0.jsonl", "row": doc, "text": text, "shard": shard}
        )
        entities += [
            {"doc": doc, "id": name, "start": start, "end": start + len(value), "text": value, "label": label}
            for start, value, label in found
        ]
    return documents, entities


def _write_results(
    results: Path,
    documents: list[dict[str, Any]],
    entities: list[dict[str, Any]],
    shape: Shape,
    extra: list[tuple[str, str, str]],
) -> None:
    table = pl.DataFrame(entities, schema=ENTITIES).sort("doc", "start")
    labels = sorted(set(table["label"].to_list()))
    table.with_columns(pl.col("label").cast(pl.Enum(labels))).write_parquet(results / "entities.parquet")
    counts = table.group_by("doc").len("entities")
    frame = pl.DataFrame(
        documents,
        schema={**{name: DOCUMENTS[name] for name in ("doc", "id", "file", "row", "shard")}, "text": pl.String()},
    )
    frame = frame.join(counts, on="doc", how="left").with_columns(
        chars=pl.col("text").str.len_chars(),
        tokens=pl.col("text").str.count_matches(r"\w+|[^\w\s]"),
        entities=pl.col("entities").fill_null(0),
        windows=pl.lit(1),
    )
    frame.select(pl.col(name).cast(kind) for name, kind in DOCUMENTS.items()).write_parquet(
        results / "documents.parquet"
    )
    rejected = [
        {
            "file": "news/part-0.jsonl",
            "row": row,
            "byte_offset": None,
            "reason": f"duplicate id 'article-{row:05d}', which row {row + 30} has"
            if row % 3
            else f"not valid JSON: Expecting value at column {row}",
            "raw": f'{{"id": "article-{row:05d}", "text": "It isn\\\\u2019t"',
        }
        for row in range(shape.rejected)
    ]
    rejected += [
        {"file": "news/part-1.jsonl", "row": None, "byte_offset": 17, "reason": f"odd {value}", "raw": value}
        for _, value, _ in extra
    ]
    pl.DataFrame(rejected, schema=REJECTED).write_parquet(results / "rejected.parquet")


def _write_shards(directory: Path, documents: list[dict[str, Any]], shape: Shape) -> list[Path]:
    (directory / "shards").mkdir()
    paths = [directory / "shards" / f"{shard:05d}.parquet" for shard in range(shape.shards)]
    for shard, path in enumerate(paths[: shape.write_shards]):
        rows = [
            {
                **{k: v for k, v in each.items() if k != "shard"},
                "window": 0,
                "windows": 1,
                "start": 0,
                "chars": len(each["text"]),
            }
            for each in documents
            if each["shard"] == shard
        ]
        pl.DataFrame(rows, schema=WINDOWS).write_parquet(path)
    return paths


def _make_manifest(documents: list[dict[str, Any]], shape: Shape) -> Manifest:
    chars, counts = [0] * shape.shards, [0] * shape.shards
    first: list[int | None] = [None] * shape.shards
    for each in documents:
        shard = each["shard"]
        chars[shard] += len(each["text"]) * shape.chars_factor
        counts[shard] += 1
        first[shard] = each["doc"] if first[shard] is None else first[shard]
    infos = tuple(ShardInfo(i, counts[i], counts[i], chars[i], first[i]) for i in range(shape.shards))
    file = InputFile("news/part-0.jsonl", sum(chars) + 100, "ab" * 32, len(documents), shape.rejected)
    return Manifest((file,), infos, len(documents), shape.rejected, sum(chars), {})


def _plain_job(rule: str, start_s: float, seconds: float, rss: int) -> Job:
    totals = Totals(peak_rss_bytes=rss)
    job = Job(rule, None, "node-a", "cpu", None, None, 1, None, None, start_s, start_s + seconds, totals)
    return replace(job, memory_bytes=rss, requested_memory_bytes=2_000_000_000)


def _make_jobs(
    rng: random.Random,
    manifest: Manifest,
    documents: list[dict[str, Any]],
    entities: list[dict[str, Any]],
    shape: Shape,
) -> list[Job]:
    jobs = [
        _plain_job("prepare_model", START_S, 6.2, 900 << 20),
        _plain_job("split_corpus", START_S + 0.4, 9.3, 610 << 20),
    ]
    labels: dict[int, dict[str, int]] = {}
    shard_of = {each["doc"]: each["shard"] for each in documents}
    for each in entities:
        counts = labels.setdefault(shard_of[each["doc"]], {})
        counts[each["label"]] = counts.get(each["label"], 0) + 1
    places = [(device, slot) for device in range(max(shape.devices, 1)) for slot in range(shape.slots)]
    free = dict.fromkeys(places, START_S + 10)
    for info in manifest.shards:
        if info.shard == shape.pause_after:
            free = {place: max(free.values()) + 8 * 3600 for place in free}
        place = min(free, key=lambda each: (free[each], each))
        job = _annotate_job(rng, info, labels.get(info.shard, {}), place[0], free[place], shape)
        free[place] = job.ended_at_s + 0.3
        jobs.append(job)
    jobs.append(_plain_job("merge_shards", max(free.values()), 4.8, 1400 << 20))
    return jobs


def _annotate_job(
    rng: random.Random, info: ShardInfo, labels: dict[str, int], device: int, start_s: float, shape: Shape
) -> Job:
    work_s = shape.shard_s * (1 + rng.uniform(-shape.uneven, shape.uneven)) if info.chars else 0.1
    ready_s = start_s + 0.3 + shape.start_up_s + shape.load_s
    tokens = info.chars // 5
    workers = []
    for number in range(shape.workers):
        idle = rng.uniform(0, 0.04) * work_s
        busy = work_s - idle
        totals = Totals(
            documents=info.documents if number == 0 else 0,
            windows=info.windows if number == 0 else 0,
            chars=info.chars if number == 0 else 0,
            tokens=tokens if number == 0 else 0,
            entities=sum(labels.values()) if number == 0 else 0,
            reused=info.documents // 20 if number == 0 else 0,
            labels=labels if number == 0 else {},
            seconds={
                "start_up": shape.start_up_s + 0.3,
                "load": shape.load_s,
                "read": busy * 0.03,
                "tokenize": busy * 0.52,
                "recognise": busy * 0.41,
                "write": busy * 0.04,
                "idle": idle,
            },
            peak_rss_bytes=rng.randrange(1100, 1500) << 20,
            peak_device_bytes=rng.randrange(2600, 3000) << 20 if shape.devices else 0,
        )
        workers.append(Worker(number, 4000 + number, start_s + 0.3, ready_s, ready_s + work_s - idle, totals))
    on_gpu = shape.devices > 0
    return Job(
        rule="annotate_shard",
        shard=info.shard,
        host="node-a",
        device="NVIDIA H200" if on_gpu else "AMD EPYC",
        device_uuid=f"GPU-{device}" if on_gpu else None,
        cuda_visible_devices=str(device) if on_gpu else None,
        threads=shape.workers,
        engine="fused",
        engine_reason="the recogniser is one that it reproduces: HashEmbedCNN, 3 state features, no beam",
        started_at_s=start_s,
        ended_at_s=ready_s + work_s + 0.2,
        totals=add_up(worker.totals for worker in workers),
        workers=tuple(workers),
        memory_bytes=(400 << 20) + sum(worker.totals.peak_rss_bytes for worker in workers),
        requested_memory_bytes=(1_000 + 1_500 * shape.workers) * 1_000_000,
    )


def shifted(job: Job, seconds: float) -> Job:
    """Return the job as if it had run later."""
    return replace(job, started_at_s=job.started_at_s + seconds, ended_at_s=job.ended_at_s + seconds)
