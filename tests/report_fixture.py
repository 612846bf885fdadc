"""A run that never happened, but whose files, records and sums fit together."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from shardner.data.manifest import InputFile, Manifest, PartNumbers, ShardInfo, StretchNumbers
from shardner.data.metrics import HostResources, Job, Totals, Worker, add_up
from shardner.data.pipeline_check import PipelineCheck
from shardner.data.provenance import Decision, Host, Provenance, ProvenanceDevice
from shardner.data.tables import DOCUMENTS, ENTITIES, REJECTED, WINDOWS
from shardner.demo.score import Scores, score_entities
from shardner.model.components import KEEPING
from shardner.model.pipeline import Pipeline, describe_pipeline
from shardner.report.figures import Performance
from shardner.report.measure import measure
from shardner.settings import complete
from shardner.stages.document_rows import CorpusTexts
from shardner.stages.part_numbering import DUPLICATES
from shardner.stages.provenance import describe_run

START_S = 1_760_000_000.0
HOST = "node-a"
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

PIPELINE = Pipeline(
    location="en_demo_news",
    source="en_demo_news",
    name="en_demo_news",
    version="3.8.1",
    lang="en",
    sha256="5d0c" * 16,
    components=("tok2vec", "sentencizer", "ner"),
    left_out=("tagger", "lemmatizer", "parser"),
    labels=tuple(sorted(NAMES)),
    notes=(
        "left out 'parser': the sentence starts that it sets forbid entities across them, so an entity could differ "
        f"from the whole pipeline's; {KEEPING}   model: {{components: [tok2vec, parser, sentencizer, ner]}}",
    ),
    decisions=(
        Decision("tok2vec", kept=True, reason="'ner' reads its vectors"),
        Decision("tagger", kept=False, reason="nothing reads it"),
        Decision("lemmatizer", kept=False, reason="nothing reads it"),
        Decision("parser", kept=False, reason="sentence starts", on_purpose=True),
        Decision("sentencizer", kept=True, reason="'ner' reads sentence starts"),
        Decision("ner", kept=True, reason="writes entities"),
    ),
)
COMMAND = "snakemake --cores 16 --resources gpu=2"
CONFIG = complete({"corpus": {"files": ["news/*.jsonl"]}})
PART = "part-0.jsonl-0123456789ab"


#: What the report says of it.
LEFT_OUT = (
    "tagger, lemmatizer (nothing reads them), parser (sentence starts: 2 of 200 sampled documents differ; "
    "to keep it, write model: {components: [tok2vec, parser, sentencizer, ner]})"
)
CHECK = PipelineCheck(documents=200, chars=180_000, identical=197, near_ties=1, left_out=2)


@dataclass(frozen=True)
class Run:
    """What a run leaves for the report."""

    jobs: list[Job]
    manifest: Manifest
    results: Path
    texts: CorpusTexts

    @property
    def shard_paths(self) -> list[Path]:
        """The files of the shards' texts; some may not be there."""
        return [self.texts.path(shard) for shard in range(len(self.manifest.shards))]

    def describe(self) -> Provenance:
        """Return the provenance, as the workflow makes it, but with a command line."""
        annotate = [job for job in self.jobs if job.shard is not None]
        return replace(describe_run(CONFIG, self.manifest, PIPELINE, annotate), command=COMMAND)

    def score(self) -> Scores:
        """Return the scores against gold in which every tenth entity has another label."""
        entities = pl.read_parquet(self.results / "entities.parquet").with_columns(pl.col("label").cast(pl.String))
        tenth = pl.int_range(pl.len()) % 10 == 0
        return score_entities(
            entities, entities.with_columns(label=pl.when(tenth).then(pl.lit("GPE")).otherwise("label"))
        )

    def arguments(self, out: Path, **changes: Any) -> dict[str, Any]:
        """Return what `write_report` takes, with changes."""
        given = {
            "jobs": self.jobs,
            "manifest": self.manifest,
            "provenance": self.describe(),
            "check": CHECK,
            "results": self.results,
            "texts": self.texts,
            "scores": self.score(),
            "html": out / "report.html",
            "performance_json": out / "performance.json",
        }
        return {**given, **changes}

    def measure(self, **changes: Any) -> Performance:
        """Return the run's figures, with changes to what `measure` takes."""
        given = {"jobs": self.jobs, "manifest": self.manifest, "results": self.results}
        return measure(**{**given, "model": describe_pipeline(PIPELINE), "check": CHECK, **changes})


@dataclass(frozen=True)
class Shape:
    """How a run looked."""

    shards: int = 12
    documents: int = 240
    devices: int = 2  # GPUs used; 0: CPU only
    devices_present: int | None = None  # GPUs of the host; None: those used
    cores: int = 16  # of the host
    memory_bytes: int = 128 * GB
    device_memory_bytes: int = 139 * GB
    slots: int = 1  # jobs side by side on a device
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
    manifest = _make_manifest(documents, shape)
    texts = _write_shards(directory, documents, manifest, shape)
    jobs = _make_jobs(rng, manifest, documents, entities, shape)
    return Run(jobs, manifest, results, texts)


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


def _write_shards(directory: Path, documents: list[dict[str, Any]], manifest: Manifest, shape: Shape) -> CorpusTexts:
    texts = CorpusTexts(directory / "shards", manifest, directory / "duplicates.parquet")
    pl.DataFrame(schema=DUPLICATES).write_parquet(texts.duplicates)
    (texts.shards / PART).mkdir(parents=True)
    for shard in range(min(shape.shards, shape.write_shards)):
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
        pl.DataFrame(rows, schema=WINDOWS).write_parquet(texts.path(shard))
    return texts


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
    stretch = StretchNumbers(0, 0, len(documents), 0, 0, None)
    part = PartNumbers(PART, 0, shape.shards, (stretch,), 0)
    return Manifest((file,), (part,), infos, len(documents), shape.rejected, sum(chars), {})


def _plain_job(rule: str, start_s: float, seconds: float, rss: int) -> Job:
    totals = Totals(peak_rss_bytes=rss)
    job = Job(rule, None, HOST, "cpu", None, None, 1, None, None, start_s, start_s + seconds, totals)
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
        _plain_job("split_part", START_S + 0.4, 9.3, 610 << 20),
        _plain_job("number_documents", START_S + 9.8, 0.1, 200 << 20),
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
    jobs.append(_plain_job("merge_parts", max(free.values()), 4.8, 1400 << 20))
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
    job = Job(
        rule="annotate_shard",
        shard=info.shard,
        host=HOST,
        device="AMD EPYC",
        device_uuid=None,
        cuda_visible_devices=None,
        threads=shape.workers,
        engine="fused",
        engine_reason="the recogniser is one that it reproduces: HashEmbedCNN, 3 state features, no beam",
        started_at_s=start_s,
        ended_at_s=ready_s + work_s + 0.2,
        totals=add_up(worker.totals for worker in workers),
        workers=tuple(workers),
        memory_bytes=(400 << 20) + sum(worker.totals.peak_rss_bytes for worker in workers),
        requested_memory_bytes=(1_000 + 1_500 * shape.workers) * 1_000_000,
        host_resources=HostResources(shape.cores, shape.cores, shape.memory_bytes),
    )
    if not shape.devices:
        return job
    return replace(
        job,
        device="NVIDIA H200",
        device_uuid=f"GPU-{device}",
        cuda_visible_devices=f"GPU-{device}",
        device_number=device,
        device_memory_bytes=shape.device_memory_bytes,
        devices_present=shape.devices_present or shape.devices,
        driver="570.124.06",
        cuda="12.8",
    )


def attack(provenance: Provenance, text: str) -> Provenance:
    """Return the provenance with `text` wherever something comes from the user, the corpus or a pipeline."""
    return replace(
        provenance,
        command=text,
        config={text: {text: [text]}},
        inputs=tuple(replace(each, path=text) for each in provenance.inputs),
        model=replace(provenance.model, location=text, source=text, name=text, version=text, notes=(text,)),
        engines=(text,),
        devices=(ProvenanceDevice(text, text, text),),
        hosts=(Host(text),),
        packages={text: text},
    )


def shifted(job: Job, seconds: float) -> Job:
    """Return the job as if it had run later."""
    return replace(job, started_at_s=job.started_at_s + seconds, ended_at_s=job.ended_at_s + seconds)
