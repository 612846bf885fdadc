"""The merge: results of shards become three tables in corpus order, and nothing may be missing.

Shards are taken in the manifest's order, streamed, and checked one by one: each must account for exactly the windows
that the split gave it. Long documents are made whole on the way.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from shardner import __version__
from shardner.corpus.kept_columns import keep_expr, parse_dtype
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.job_files import read_job
from shardner.data.manifest import Manifest, ShardInfo
from shardner.data.metrics import Job, Joins, unsure_joins
from shardner.data.tables import ENTITIES, REJECTED, ShardFiles
from shardner.errors import MergeError
from shardner.model.pipeline import Pipeline
from shardner.stages.stitch import stitch_shards

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
) -> Joins:
    """Merge the results of all shards; return how the windows of long documents were put together.

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
    documents = sum(info.documents for info in manifest.shards)
    if documents != manifest.documents:
        raise MergeError(f"the shards' {documents} documents do not add up to the {manifest.documents} of the corpus")
    long = [info.shard for info in manifest.shards if info.long_windows]
    refused = _find_refused(shards, long)
    metadata = {"shardner.run": run}
    with scratch_directory(results.entities) as scratch:
        stitched = stitch_shards(shards, long, refused, scratch)
        label = pl.Enum(sorted({*labels, *(each for job in jobs for each in job.totals.labels)}))
        # tables of shards without long documents are taken as they are, with a column more
        tables = pl.scan_parquet(stitched.entities, extra_columns="ignore", schema=pl.Schema(ENTITIES))
        entities = tables.with_columns(pl.col("label").cast(label))
        _sink(entities, results.entities, metadata)
    table = pl.scan_parquet([files.documents for files in shards])
    if long:
        table = _make_whole(table, stitched.documents)
    _sink(
        table.drop("window", "start", "candidates").with_columns(_kept_columns(manifest)),
        results.documents,
        metadata,
    )
    rejected = [_rejected_documents(shard, files, refused) for shard, files in enumerate(shards)]
    _sink(pl.concat([pl.scan_parquet(split_rejected), *rejected]), results.rejected, metadata)
    _check_results(manifest, results)
    unsure = [*stitched.unsure, *(place for job in jobs for place in job.joins.shown)]
    joins = unsure_joins(place for place in unsure if place[0] not in refused)
    return replace(joins, documents=stitched.documents.height, joins=stitched.joins, by_margins=stitched.by_margins)


def _find_refused(shards: Sequence[ShardFiles], long: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the long documents of which a window failed, and shard and number of the first that did.

    Such a document is rejected whole.
    """
    first: dict[int, tuple[int, int]] = {}
    for shard in long:
        failed = pl.scan_parquet(shards[shard].rejected).filter(pl.col("windows") > 1).select("doc", "window")
        for doc, window in failed.collect().iter_rows():
            first.setdefault(doc, (shard, window))
    return first


def _rejected_documents(shard: int, files: ShardFiles, refused: dict[int, tuple[int, int]]) -> pl.LazyFrame:
    """Return a shard's rejected documents; a long one where its first window failed."""
    first = {doc: window for doc, (where, window) in refused.items() if where == shard}
    table = pl.scan_parquet(files.rejected)
    chosen = pl.col("windows") == 1
    if first:
        window = pl.col("doc").replace_strict(first, default=None, return_dtype=pl.UInt32)
        chosen |= pl.col("window").eq(window).fill_null(False)
    return table.filter(chosen).select(*REJECTED)


def _make_whole(documents: pl.LazyFrame, long: pl.DataFrame) -> pl.LazyFrame:
    """Make one row of a long document's windows: the first one's, with the sums over all in `long`."""
    whole = documents.filter(pl.col("window") == 0).join(
        long.lazy(), on="doc", how="left", maintain_order="left", suffix="_of_all"
    )
    sums = [pl.coalesce(f"{column}_of_all", column).alias(column) for column in ("tokens", "entities")]
    is_whole = (pl.col("windows") == 1) | pl.col("tokens_of_all").is_not_null()
    return whole.filter(is_whole).with_columns(sums).drop("tokens_of_all", "entities_of_all")


def _check_results(manifest: Manifest, results: CorpusFiles) -> None:
    """Raise `MergeError` unless each document of the corpus is among the results once."""
    counts = {
        path: pl.scan_parquet(path).select(pl.len()).collect().item() for path in (results.documents, results.rejected)
    }
    documents, rejected = counts.values()
    if documents + rejected != manifest.documents + manifest.rejected:
        raise MergeError(
            f"{documents} annotated documents and {rejected} rejected records do not add up to "
            f"the {manifest.documents + manifest.rejected} records of the corpus"
        )
    log.info("%d documents, %d rejected", documents, rejected)


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
        documents = pl.scan_parquet(files.documents).select(*_NUMBERS, "entities").collect()
        rejected = pl.scan_parquet(files.rejected).select(*_NUMBERS).collect()
        entities = pl.scan_parquet(files.entities).select("doc", "window", "start").collect()
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise _refusal(info, f"its results cannot be read: {error}") from error
    _check_windows(info, documents.select(*_NUMBERS), rejected)
    _check_entities(info, documents, entities)
    counted = (documents.height, rejected.height, entities.height)
    measured = (job.totals.windows, job.totals.rejected, job.totals.rows)
    if counted != measured:
        raise _refusal(info, f"it holds {counted} (windows, rejected, entities), but its job counted {measured}")
    return job


_NUMBERS = ("doc", "window", "windows")


def _check_windows(info: ShardInfo, documents: pl.DataFrame, rejected: pl.DataFrame) -> None:
    """Raise unless the windows annotated and rejected are those that the split gave the shard."""
    if not documents.equals(documents.sort("doc", "window")):
        raise _refusal(info, "its documents are not in corpus order")
    found = pl.concat([documents, rejected]).sort("doc", "window")
    doc, window, windows = (found[column].to_numpy().astype(np.int64) for column in _NUMBERS)
    ends = window + 1 == windows  # behind it comes the next document
    follows = (np.diff(doc) == ends[:-1]) & (window[1:] == np.where(ends[:-1], 0, window[:-1] + 1))
    begins = found.height == 0 or (doc[0], window[0]) == (info.first_doc, info.first_window)
    if found.height == info.windows and begins and follows.all():
        return
    if info.long_windows:
        raise _refusal(info, f"{found.height} windows are not the {info.windows} that it was given")
    first = info.first_doc or 0
    missing = np.setdiff1d(np.arange(first, first + info.documents), doc)
    if missing.size:
        raise _refusal(info, f"{missing.size} of its {info.documents} documents are missing, the first {missing[0]}")
    raise _refusal(
        info, f"it holds {found.height} documents instead of {info.documents}: some twice, or another shard's"
    )


def _check_entities(info: ShardInfo, documents: pl.DataFrame, entities: pl.DataFrame) -> None:
    doc, window, start = (entities[column].to_numpy().astype(np.int64) for column in ("doc", "window", "start"))
    same = np.diff(doc) == 0
    same_window = same & (np.diff(window) == 0)
    if ((np.diff(doc) < 0) | (same & (np.diff(window) < 0)) | (same_window & (np.diff(start) < 0))).any():
        raise _refusal(info, "its entities are not in corpus order")
    counts = entities.group_by("doc", "window").len("found")
    differing = (
        documents.join(counts, on=["doc", "window"], how="full", coalesce=True)
        .filter(pl.col("entities").fill_null(0) != pl.col("found").fill_null(0))
        .sort("doc", "window")
    )
    if differing.height:
        number, said, found = differing.select("doc", "entities", "found").row(0)
        raise _refusal(info, f"document {number} should have {said or 0} entities, but has {found or 0}")


def _refusal(info: ShardInfo, reason: str) -> MergeError:
    return MergeError(
        f"shard {info.shard:05d}: {reason}; remove its files (*/{info.shard:05d}.parquet below .work) and run again"
    )
