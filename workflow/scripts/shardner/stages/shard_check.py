"""The check of a shard's results: they must be of exactly the windows that the split gave to the shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.data.job_files import read_job
from shardner.data.manifest import ShardInfo
from shardner.data.metrics import Job
from shardner.data.tables import SHARD_ENTITIES, ShardFiles
from shardner.errors import MergeError

_NUMBERS = ("doc", "window", "windows")


class CheckedShard(NamedTuple):
    """What the merge needs to know about a shard whose results are complete."""

    job: Job
    attributes: Mapping[str, pl.DataType]  # the further columns of its entities


def check_shard(info: ShardInfo, files: ShardFiles) -> CheckedShard:
    """Check a shard's tables.

    Args:
        info: what the split gave to the shard.
        files: its results.

    Raises:
        MergeError: the tables do not hold what `info` and the record of the job say.
    """
    try:
        job = read_job(files.job)
        documents = pl.scan_parquet(files.documents).select(*_NUMBERS, "entities").collect()
        rejected = pl.scan_parquet(files.rejected).select(*_NUMBERS).collect()
        table = pl.scan_parquet(files.entities)
        columns = table.collect_schema()
        entities = table.select("doc", "window", "start").collect()
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise _refusal(info, f"its results cannot be read: {error}") from error
    _check_windows(info, documents.select(*_NUMBERS), rejected)
    _check_entities(info, documents, entities)
    counted = (documents.height, rejected.height, entities.height)
    measured = (job.totals.windows, job.totals.rejected, job.totals.rows)
    if counted != measured:
        raise _refusal(info, f"it holds {counted} (windows, rejected, entities), but its job counted {measured}")
    return CheckedShard(job, {name: dtype for name, dtype in columns.items() if name not in SHARD_ENTITIES})


def _check_windows(info: ShardInfo, documents: pl.DataFrame, rejected: pl.DataFrame) -> None:
    """Raise unless the windows annotated and rejected are those that the split gave to the shard."""
    if not documents.equals(documents.sort("doc", "window")):
        raise _refusal(info, "its documents are not in corpus order")
    found = pl.concat([documents, rejected]).sort("doc", "window")
    doc, window, windows = (found[column].to_numpy().astype(np.int64) for column in _NUMBERS)
    ends = window + 1 == windows  # after this window comes the next document
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
    """Raise unless entities are in order, and of each window as many as its row among the documents says."""
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
