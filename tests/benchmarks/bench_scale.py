"""Numbering and merging of a hundred million documents: seconds and peak memory, on generated results of shards.

    python tests/benchmarks/bench_scale.py [--documents 1000000 10000000 100000000] [--parts 500] [--directory DIR]

No text is read and nothing is annotated. Manifests, the ids in the shards, and the results of the shards are generated;
then the stages of the workflow run on them, each in a process of its own: numbering, the merge of one part (as with
``layout: dataset``), and the merge of all into one file a table. With a hundred million documents it takes some 30 GB
of disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "workflow" / "scripts")]

import polars as pl
from shardner.config import parse_config
from shardner.data.job_files import write_job
from shardner.data.manifest import PartManifest, ShardInfo, StretchInfo, read_manifest
from shardner.data.metrics import Job, Totals
from shardner.data.tables import SHARD_DOCUMENTS, SHARD_ENTITIES, SHARD_REJECTED, ShardFiles
from shardner.data.typed_json import write_json
from shardner.model.components import Request
from shardner.stages.drawn_documents import Draw
from shardner.stages.duplicates import duplicate_rejecter
from shardner.stages.merge import CorpusFiles, merge_parts, write_part
from shardner.stages.merge_part import gather_part, gather_parts
from shardner.stages.number_documents import number_documents
from shardner.stages.stretches import read_parts

CORPUS = parse_config({"corpus": {"files": ["part*.jsonl"]}}).corpus
SHARDS_A_PART = 10
TABLES = ("entities", "documents", "rejected", "jobs")


def part_files(directory: Path, kind: str) -> list[str]:
    """Return the files of a kind that the split makes, one a part."""
    return sorted(map(str, (directory / kind).iterdir()))


def generate(directory: Path, documents: int, parts: int) -> None:
    """Write what split and annotation would have made of a corpus of so many documents, an entity in each."""
    for kind in ("manifests", "drawn", "shards", "refused", *TABLES):
        (directory / kind).mkdir(parents=True)
    a_shard = documents // (parts * SHARDS_A_PART)
    for part in range(parts):
        name = f"part{part:05d}"
        (directory / "shards" / name).mkdir()
        infos, draw, paths = [], Draw(), []
        for shard in range(SHARDS_A_PART):
            first = shard * a_shard
            paths.append(write_shard(directory, name, shard, first, a_shard))
            draw.add(pl.read_parquet(paths[-1], columns=["id"])["id"].hash(), first)
            infos.append(ShardInfo(shard, a_shard, a_shard, 80 * a_shard, first))
        draw.write(paths, directory / "drawn" / f"{name}.parquet")
        pl.DataFrame(schema=SHARD_REJECTED).drop("doc", "window", "windows").write_parquet(
            directory / "refused" / f"{name}.parquet"
        )
        count = a_shard * SHARDS_A_PART
        path = Path(f"{name}.jsonl")
        stretch = StretchInfo(
            str(path), path, 100 * count, 0, "0" * 64, 0, None, 0, 100 * count, count, count, 0, by_row=False
        )
        manifest = PartManifest(name, (stretch,), tuple(infos), count, 0, 80 * count, {}, {})
        write_json(directory / "manifests" / f"{name}.json", manifest)


def write_shard(directory: Path, part: str, shard: int, first: int, count: int) -> Path:
    """Write the windows of a shard, as far as the numbering reads them, and its results; return the windows."""
    rows = pl.int_range(first, first + count, dtype=pl.UInt64, eager=True).alias("row")
    zero, one = pl.lit(0, pl.UInt32), pl.lit(1, pl.UInt32)
    table = pl.DataFrame({"row": rows, "id": pl.Series([f"{part}-"]).repeat_by(count).explode() + rows.cast(pl.String)})
    windows = directory / "shards" / part / f"{shard:05d}.parquet"
    table.select(
        pl.col("row").alias("doc"), zero.alias("window"), one.alias("windows"), zero.alias("start"),
        pl.lit(80, pl.UInt32).alias("chars"), "id", "row",
    ).write_parquet(windows, compression="zstd")  # fmt: skip
    documents = table.select(
        pl.col("row").alias("doc"), "id", pl.lit(f"{part}.jsonl").alias("file"), "row", pl.lit(80).alias("chars"),
        pl.lit(16).alias("tokens"), one.alias("entities"), one.alias("windows"), pl.lit(shard).alias("shard"),
        zero.alias("window"), zero.alias("start"), pl.lit(value=False).alias("candidates"), zero.alias("span_count"),
        zero.alias("sentence_starts"),
    ).cast(SHARD_DOCUMENTS)  # fmt: skip
    entities = table.select(
        pl.col("row").alias("doc"), "id", pl.lit(8).alias("start"), pl.lit(18).alias("end"),
        pl.lit("Jane Moore").alias("text"), pl.lit("PERSON").alias("label"), zero.alias("window"),
    ).cast(SHARD_ENTITIES)  # fmt: skip
    name = f"{part}-{shard:05d}"
    documents.write_parquet(directory / "documents" / f"{name}.parquet", compression="zstd")
    entities.write_parquet(directory / "entities" / f"{name}.parquet", compression="zstd")
    pl.DataFrame(schema=SHARD_REJECTED).write_parquet(directory / "rejected" / f"{name}.parquet")
    totals = Totals(documents=count, windows=count, chars=80 * count, entities=count, rows=count)
    files = ShardFiles(*(directory / table / f"{name}.parquet" for table in TABLES))
    job = Job("annotate_shard", shard, "host", "cpu", None, None, 1, "fused", "", 0.0, 1.0, totals, part=part)
    write_job(files.job.with_suffix(".json"), replace(job, digests=files.digests()))
    return windows


def number(directory: Path) -> None:
    """Number the documents, on two threads."""
    parts = read_parts(*(part_files(directory, kind) for kind in ("manifests", "drawn", "shards")))
    number_documents(
        None, parts, CORPUS, manifest=directory / "manifest.json",
        duplicates=directory / "duplicates.parquet", drawn=directory / "drawn.parquet", threads=2,
    )  # fmt: skip


def results_in(directory: Path) -> CorpusFiles:
    """Return where merged tables go."""
    directory.mkdir(exist_ok=True)
    return CorpusFiles(*(directory / f"{table}.parquet" for table in ("entities", "documents", "rejected")))


def merge_one(directory: Path) -> None:
    """Merge one part, as a job of ``layout: dataset`` does."""
    manifest, tables = read_manifest(directory / "manifest.json"), [part_files(directory, table) for table in TABLES]
    place = len(manifest.parts) // 2
    numbers = manifest.parts[place]
    tables = [table[numbers.first_shard : numbers.first_shard + numbers.shards] for table in tables]
    files = [Path(part_files(directory, kind)[place]) for kind in ("manifests", "refused")]
    part = gather_part(manifest, place, *files, directory / "duplicates.parquet", [*tables, []])
    reject = duplicate_rejecter(CORPUS)
    write_part(manifest, part, "bench", results_in(directory / "one"), reject_duplicates=reject, request=Request())


def merge_all(directory: Path) -> None:
    """Merge all parts into one file a table, on two threads."""
    manifest, tables = read_manifest(directory / "manifest.json"), [part_files(directory, table) for table in TABLES]
    manifests, refused = (part_files(directory, kind) for kind in ("manifests", "refused"))
    parts = gather_parts(manifest, manifests, refused, directory / "duplicates.parquet", [*tables, []])
    reject = duplicate_rejecter(CORPUS)
    merge_parts(manifest, parts, "bench", results_in(directory / "all"), reject_duplicates=reject, threads=2)


STAGES: dict[str, Callable[[Path], None]] = {"number": number, "merge_one": merge_one, "merge_all": merge_all}


def measure(stage: str, directory: Path) -> None:
    """Run a stage in this process and print what it took."""
    started_s = time.perf_counter()
    STAGES[stage](directory)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "wall_s": round(time.perf_counter() - started_s, 2),
        "core_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024),
    }
    print(json.dumps(figures))


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--parts", type=int, default=500)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        measure(options.stage, options.directory)
        return
    for documents in options.documents:
        directory = Path(tempfile.mkdtemp(dir=options.directory))
        try:
            generate(directory, documents, options.parts)
            for stage in STAGES:
                command = [sys.executable, __file__, "--stage", stage, "--directory", str(directory)]
                found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                print(f"{documents:>12,} documents  {stage:<10} {found.stdout.strip()}", flush=True)
        finally:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
