"""The check of a shard's results: they must be of exactly the windows that the split gave to the shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.data.job_files import read_job
from shardner.data.manifest import ShardInfo
from shardner.data.metrics import Job
from shardner.data.tables import SHARD_ENTITIES, SHARD_SPANS, ShardFiles, scan_table
from shardner.errors import MergeError

_NUMBERS = ("doc", "window", "windows")


class CheckedShard(NamedTuple):
    """What the merge needs to know about a shard whose results are complete."""

    job: Job
    attributes: Mapping[str, pl.DataType]  # the further columns of its entities


def check_shard(
    info: ShardInfo, files: ShardFiles, groups: Sequence[str] = (), *, part: str, pipeline: str | None = None
) -> CheckedShard:
    """Check a shard's tables.

    Args:
        info: what the split gave to the shard.
        files: its results.
        groups: the span groups asked for, in their order.
        part: the name of the shard's part.
        pipeline: the sha256 of the pipeline that should have annotated it; None where that is not compared.

    Raises:
        MergeError: another pipeline annotated it; or the tables are not those that the job wrote, or do not hold what
            `info` and its record say.
    """
    try:
        job = read_job(files.job)
        _check_pipeline(part, info, job, pipeline)
        _check_digests(part, info, files, job)
        documents = scan_table(files.documents).select(*_NUMBERS, "entities", "span_count").collect()
        rejected = scan_table(files.rejected).select(*_NUMBERS).collect()
        table = scan_table(files.entities)
        columns = table.collect_schema()
        entities = table.select("doc", "window", "start").collect()
        spans = _read_spans(files, groups)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise _refusal(part, info, f"its results cannot be read: {error}") from error
    _check_windows(part, info, documents.select(*_NUMBERS), rejected)
    _check_rows(part, info, documents.rename({"entities": "said"}), entities, "entities")
    _check_rows(part, info, documents.rename({"span_count": "said"}), spans, "spans")
    counted = (documents.height, rejected.height, entities.height, spans.height)
    measured = (job.totals.windows, job.totals.rejected, job.totals.rows, job.totals.spans)
    if counted != measured:
        raise _refusal(
            part, info, f"it holds {counted} (windows, rejected, entities, spans), but its job counted {measured}"
        )
    return CheckedShard(job, {name: dtype for name, dtype in columns.items() if name not in SHARD_ENTITIES})


def _check_pipeline(part: str, info: ShardInfo, job: Job, pipeline: str | None) -> None:
    """Raise if another pipeline annotated the shard: Snakemake was told not to look, or was stopped at a bad moment."""
    if pipeline is not None and job.pipeline is not None and job.pipeline != pipeline:
        raise MergeError(
            f"shard {part}/{info.shard:05d}: another pipeline annotated it (sha256 {job.pipeline[:16]}…) than the one "
            f"that is prepared now ({pipeline[:16]}…); run again with --forcerun annotate_shard"
        )


def _check_digests(part: str, info: ShardInfo, files: ShardFiles, job: Job) -> None:
    """Raise if a table is not, to the bit, what the job wrote."""
    found = files.digests()
    if damaged := [name for name in found if job.digests.get(name) != found[name]]:
        raise _refusal(part, info, f"its {' and '.join(damaged)} are damaged: not what the job wrote")


def _read_spans(files: ShardFiles, groups: Sequence[str]) -> pl.DataFrame:
    """Return what the spans of a shard are ordered by: ``doc``, ``window``, place of the group, ``start``, ``end``."""
    columns = ("doc", "window", "group", "start", "end")
    if files.spans is None:
        return pl.DataFrame(schema={name: SHARD_SPANS[name] for name in columns})
    order = {name: place for place, name in enumerate(groups)}
    place = pl.col("group").replace_strict(order, return_dtype=pl.UInt32)
    return scan_table(files.spans).select(*columns).with_columns(place).collect()


def _check_windows(part: str, info: ShardInfo, documents: pl.DataFrame, rejected: pl.DataFrame) -> None:
    """Raise unless the windows annotated and rejected are those that the split gave to the shard."""
    if not documents.equals(documents.sort("doc", "window")):
        raise _refusal(part, info, "its documents are not in corpus order")
    found = pl.concat([documents, rejected]).sort("doc", "window")
    doc, window, windows = (found[column].to_numpy().astype(np.int64) for column in _NUMBERS)
    ends = window + 1 == windows  # after this window comes the next document
    follows = (np.diff(doc) == ends[:-1]) & (window[1:] == np.where(ends[:-1], 0, window[:-1] + 1))
    begins = found.height == 0 or (doc[0], window[0]) == (info.first_doc, info.first_window)
    if found.height == info.windows and begins and follows.all():
        return
    if info.long_windows:
        raise _refusal(part, info, f"{found.height} windows are not the {info.windows} that it was given")
    first = info.first_doc or 0
    missing = np.setdiff1d(np.arange(first, first + info.documents), doc)
    if missing.size:
        raise _refusal(
            part, info, f"{missing.size} of its {info.documents} documents are missing, the first {missing[0]}"
        )
    raise _refusal(
        part, info, f"it holds {found.height} documents instead of {info.documents}: some twice, or another shard's"
    )


def _check_rows(part: str, info: ShardInfo, documents: pl.DataFrame, rows: pl.DataFrame, what: str) -> None:
    """Raise unless entities or spans are in order, and of each window as many as its row among the documents says.

    Args:
        part: the name of the shard's part.
        info: what the split gave to the shard.
        documents: its windows, with how many rows each should have as ``said``.
        rows: the columns that the table is ordered by, in that order.
        what: the rows are.
    """
    if not _are_in_order(rows):
        raise _refusal(part, info, f"its {what} are not in corpus order")
    counts = rows.group_by("doc", "window").len("found")
    differing = (
        documents.join(counts, on=["doc", "window"], how="full", coalesce=True)
        .filter(pl.col("said").fill_null(0) != pl.col("found").fill_null(0))
        .sort("doc", "window")
    )
    if differing.height:
        number, said, found = differing.select("doc", "said", "found").row(0)
        raise _refusal(part, info, f"document {number} should have {said or 0} {what}, but has {found or 0}")


def _are_in_order(rows: pl.DataFrame) -> bool:
    """Tell whether rows are ordered by their first column, where that is equal by the second, and so on."""
    equal = np.ones(max(rows.height - 1, 0), dtype=np.bool_)
    for column in rows.iter_columns():
        steps = np.diff(column.to_numpy().astype(np.int64))
        if (equal & (steps < 0)).any():
            return False
        equal &= steps == 0
    return True


def _refusal(part: str, info: ShardInfo, reason: str) -> MergeError:
    name = f"{part}/{info.shard:05d}"
    return MergeError(f"shard {name}: {reason}; remove .work/entities/{name}.parquet and run again")
