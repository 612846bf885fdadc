"""The merge: results of shards become three tables in corpus order, and nothing may be missing.

Shards are taken in the manifest's order, streamed, and checked one by one: each must account for exactly the
documents that the split gave it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from shardner import __version__
from shardner.corpus import keep_expr, parse_dtype
from shardner.errors import MergeError
from shardner.files import atomic_path
from shardner.manifest import Manifest, ShardInfo
from shardner.metrics import Job, add_up, read_job
from shardner.model.pipeline import Pipeline
from shardner.records import REJECTED, ShardFiles

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """Where the results of the corpus go."""

    entities: Path
    documents: Path
    rejected: Path


def merge_shards(
    manifest: Manifest,
    shards: Sequence[ShardFiles],
    split_rejected: Path,
    labels: Sequence[str],
    run: str,
    results: CorpusFiles,
) -> None:
    """Merge the results of all shards.

    Args:
        manifest: what the split gave to each shard.
        shards: the results, by shard number.
        split_rejected: the records that the split rejected.
        labels: the pipeline's labels; those that occur besides (a custom component's) are added.
        run: names the run in each table's Parquet metadata.
        results: where the tables go.

    Raises:
        MergeError: a shard's results are missing, damaged, or do not account for its documents.
    """
    if len(shards) != len(manifest.shards):
        raise MergeError(f"the manifest knows {len(manifest.shards)} shards, but there are results of {len(shards)}")
    jobs = [_check_shard(info, files) for info, files in zip(manifest.shards, shards, strict=True)]
    totals = add_up(job.totals for job in jobs)
    if totals.documents + totals.rejected != manifest.documents:
        raise MergeError(
            f"{totals.documents} annotated and {totals.rejected} rejected documents do not add up to "
            f"the {manifest.documents} of the corpus"
        )
    metadata = {"shardner.run": run}
    label = pl.Enum(sorted({*labels, *totals.labels}))
    entities = pl.scan_parquet([files.entities for files in shards]).with_columns(pl.col("label").cast(label))
    _sink(entities, results.entities, metadata)
    documents = pl.scan_parquet([files.documents for files in shards])
    _sink(documents.with_columns(_kept_columns(manifest)), results.documents, metadata)
    refused = [pl.scan_parquet(files.rejected).select(*REJECTED) for files in shards]
    _sink(pl.concat([pl.scan_parquet(split_rejected), *refused]), results.rejected, metadata)
    log.info("%d documents, %d entities, %d rejected", totals.documents, totals.entities, manifest.rejected)


def name_run(manifest: Manifest, pipeline: Pipeline) -> str:
    """Return a text that names a run in its tables: the same input and pipeline give the same name."""
    inputs = hashlib.sha256("".join(file.sha256 for file in manifest.files).encode()).hexdigest()
    return f"shardner {__version__}; {pipeline.name} {pipeline.version} {pipeline.sha256[:16]}; corpus {inputs[:16]}"


def _kept_columns(manifest: Manifest) -> list[pl.Expr]:
    dtypes = {column: parse_dtype(name) for column, name in manifest.keep.items()}
    return [keep_expr(column, dtype) for column, dtype in dtypes.items()]


def _sink(table: pl.LazyFrame, target: Path, metadata: dict[str, str]) -> None:
    with atomic_path(target) as temporary:
        table.sink_parquet(temporary, compression="zstd", maintain_order=True, metadata=metadata)


def _check_shard(info: ShardInfo, files: ShardFiles) -> Job:
    """Raise `MergeError` unless a shard's tables hold what the split gave it and its metrics say."""
    try:
        job = read_job(files.job)
        documents = pl.scan_parquet(files.documents).select("doc", "entities").collect()
        rejected = pl.scan_parquet(files.rejected).select("doc").collect()["doc"]
        entities = pl.scan_parquet(files.entities).select("doc", "start").collect()
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise _refusal(info, f"its results cannot be read: {error}") from error
    _check_documents(info, documents["doc"], rejected)
    _check_entities(info, documents, entities)
    counted = (documents.height, rejected.len(), entities.height)
    measured = (job.totals.documents, job.totals.rejected, job.totals.entities)
    if counted != measured:
        raise _refusal(info, f"it holds {counted} (documents, rejected, entities), but its job counted {measured}")
    return job


def _check_documents(info: ShardInfo, documents: pl.Series, rejected: pl.Series) -> None:
    if not documents.is_sorted():
        raise _refusal(info, "its documents are not in corpus order")
    found = pl.concat([documents, rejected]).sort().to_numpy()
    first = info.first_doc or 0
    wanted = np.arange(first, first + info.documents, dtype=np.uint64)
    if np.array_equal(found, wanted):
        return
    missing = np.setdiff1d(wanted, found)
    if missing.size:
        raise _refusal(info, f"{missing.size} of its {info.documents} documents are missing, the first {missing[0]}")
    raise _refusal(info, f"it holds {found.size} documents instead of {info.documents}: some twice, or another shard's")


def _check_entities(info: ShardInfo, documents: pl.DataFrame, entities: pl.DataFrame) -> None:
    doc, start = (entities[column].to_numpy().astype(np.int64) for column in ("doc", "start"))
    if ((np.diff(doc) < 0) | ((np.diff(doc) == 0) & (np.diff(start) < 0))).any():
        raise _refusal(info, "its entities are not in corpus order")
    counts = entities.group_by("doc").len("found")
    differing = (
        documents.join(counts, on="doc", how="full", coalesce=True)
        .filter(pl.col("entities").fill_null(0) != pl.col("found").fill_null(0))
        .sort("doc")
    )
    if differing.height:
        number, said, found = differing.select("doc", "entities", "found").row(0)
        raise _refusal(info, f"document {number} should have {said or 0} entities, but has {found or 0}")


def _refusal(info: ShardInfo, reason: str) -> MergeError:
    return MergeError(
        f"shard {info.shard:05d}: {reason}; remove its files (*/{info.shard:05d}.parquet below .work) and run again"
    )
