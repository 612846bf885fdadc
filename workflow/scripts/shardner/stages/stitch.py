"""Long documents made whole: what was found in their windows becomes the entities of the uncut document.

Windows come in corpus order, whichever shards they lie in. Two kinds of them are told apart.

- *Candidates* are all entities that could begin in a window, each as the uncut document would have it. The recogniser's
  parse is a walk over them: it takes the first, goes on behind its end, and never sees those that begin inside. So the
  walk that ends in one window goes on in the next, and an entity across a cut is nothing special.
- *Entities* of a window and its margins come from engines that have no candidates. Near a cut both sides have found
  entities; the merge goes over from one to the other at a place where neither has an entity open, the nearest to the
  cut. What follows such a place depends on no entity before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.data.tables import ENTITIES, ShardFiles

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: How far from a cut two windows may be joined, in code points: half of the margins that they were annotated with.
JOIN_REACH_CHARS = 1_000
#: Rows of entities that are filtered at once.
_ROWS = 1 << 18
#: The end of a candidate that is not known.
_UNKNOWN = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A window of a long document and what was found in it, by start; offsets into the document."""

    shard: int
    rows: slice  # in the shard's table of entities
    doc: int
    begin: int  # where the window begins
    candidates: bool
    starts: Ints  # (n,)
    ends: Ints  # (n,)


@dataclass
class Stitched:
    """The entities of all shards, with those of long documents as they are in the whole document."""

    entities: list[Path]  # tables, in corpus order
    documents: pl.DataFrame  # long documents: doc, and their tokens and entities
    joins: int  # cuts at which two windows met
    by_margins: int  # of those, where entities of both sides were compared
    unsure: list[tuple[int, int]]  # document and character of those of which neither side was sure


def stitch_shards(
    shards: Sequence[ShardFiles], long: Sequence[int], refused: Collection[int], scratch: Path
) -> Stitched:
    """Stitch the long documents of all shards.

    Args:
        shards: the results, by shard number.
        long: numbers of the shards that hold windows of long documents.
        refused: long documents that were rejected.
        scratch: a directory for tables.
    """
    paths: dict[int, list[Path]] = {}
    counts: dict[int, int] = {}
    unsure: list[tuple[int, int]] = []
    joins = by_margins = 0
    masks = _Masks(shards, scratch, paths)
    last: Window | None = None
    for window, taken in stitch(_read_windows(shards, long), unsure):
        if window.doc in refused:
            masks.keep(window, np.zeros_like(taken))
            continue
        if last is not None and last.doc == window.doc:
            joins += 1
            by_margins += not (last.candidates and window.candidates)
        last = window
        counts[window.doc] = counts.get(window.doc, 0) + int(taken.sum())
        masks.keep(window, taken)
    masks.finish()
    entities = [path for number, files in enumerate(shards) for path in paths.get(number, [files.entities])]
    return Stitched(entities, _sum_documents(shards, long, counts), joins, by_margins, unsure)


def stitch(windows: Iterable[Window], unsure: list[tuple[int, int]]) -> Iterator[tuple[Window, Bools]]:
    """Yield each window and which of its rows (n,) are entities of the document.

    Args:
        windows: by document, and by place in it.
        unsure: takes document and character of places where that could not be told for sure.
    """
    before, free = None, 0
    for window in windows:
        if before is None or before.doc != window.doc:
            if before is not None:
                yield before, _take(before, free, unsure)[0]
            before, free = window, 0
            continue
        taken, end = _take(before, free, unsure)
        place, sure = find_join(before, taken, end, window, free)
        if not sure:
            unsure.append((window.doc, window.begin))
        taken &= before.starts < place
        yield before, taken
        # where no good place was found, entities must not overlap all the same
        before, free = window, max(place, int(before.ends[taken].max(initial=0)))
    if before is not None:
        yield before, _take(before, free, unsure)[0]


def find_join(left: Window, taken: Bools, free: int, right: Window, least: int) -> tuple[int, bool]:
    """Return the place from which on `right` is relied on, and whether neither side has an entity open there.

    Args:
        left: the window before.
        taken: which of its rows are entities of the document, if it is relied on to its end.
        free: where the last of these ends, if `left` has candidates.
        right: the window behind.
        least: `left` is relied on from here.
    """
    cut = right.begin
    if left.candidates and right.candidates:
        return max(cut, free), True
    spans = np.stack([left.starts[taken], left.ends[taken]], axis=1)
    if not right.candidates:
        spans = np.concatenate([spans, np.stack([right.starts, right.ends], axis=1)])
    lowest = cut if right.candidates else max(cut - JOIN_REACH_CHARS, least)
    highest = max(cut, free) if left.candidates else cut + JOIN_REACH_CHARS
    near = spans[(spans[:, 1] >= lowest) & (spans[:, 0] <= highest)]
    places = np.unique(np.concatenate([[max(cut, least)], near.ravel()]))
    places = places[(places >= lowest) & (places <= highest)]
    open_ = ((near[:, 0] < places[:, None]) & (places[:, None] < near[:, 1])).any(axis=1)
    good = places[~open_]
    if not len(good):
        return max(cut, least), False
    return int(good[np.abs(good - cut).argmin()]), True


def _take(window: Window, free: int, unsure: list[tuple[int, int]]) -> tuple[Bools, int]:
    """Return which rows (n,) of a window are entities from `free` on, and, of candidates, where the last one ends."""
    if not window.candidates:
        return window.starts >= free, free
    taken = np.zeros(len(window.starts), dtype=np.bool_)
    for row, (start, end) in enumerate(zip(window.starts.tolist(), window.ends.tolist(), strict=True)):
        if start < free:
            continue
        if end == _UNKNOWN:
            unsure.append((window.doc, start))
            continue
        taken[row], free = True, end
    return taken, free


def _read_windows(shards: Sequence[ShardFiles], long: Sequence[int]) -> Iterator[Window]:
    """Yield the windows of long documents, in corpus order."""
    for shard in long:
        files = shards[shard]
        rows = pl.scan_parquet(files.entities).select("doc", "window", "start", "end").collect()
        docs, starts, ends = (rows[name].to_numpy().astype(np.int64) for name in ("doc", "start", "end"))
        windows = _long_windows(files).select("doc", "window", "start", "candidates").collect()
        # one number for document and window, to look rows up by
        first_doc = int(docs[0]) if len(docs) else 0
        keys = ((docs - first_doc) << 32) + rows["window"].to_numpy().astype(np.int64)
        for doc, number, begin, candidates in windows.iter_rows():
            key = ((doc - first_doc) << 32) + number
            first, last = np.searchsorted(keys, [key, key + 1]).tolist()
            row_range = slice(first, last)
            yield Window(shard, row_range, doc, begin, candidates, starts[row_range], ends[row_range])


def _long_windows(files: ShardFiles) -> pl.LazyFrame:
    return pl.scan_parquet(files.documents).filter(pl.col("windows") > 1)


class _Masks:
    """Writes the entities of shards with long documents, without the rows that are none."""

    def __init__(self, shards: Sequence[ShardFiles], scratch: Path, paths: dict[int, list[Path]]) -> None:
        self._shards, self._scratch, self._paths = shards, scratch, paths
        self._shard: int | None = None
        self._mask = np.empty(0, dtype=np.bool_)

    def keep(self, window: Window, taken: Bools) -> None:
        """Keep those rows of a window that are taken; windows come in corpus order."""
        if window.shard != self._shard:
            self.finish()
            self._shard = window.shard
            table = pl.scan_parquet(self._shards[window.shard].entities)
            self._mask = np.ones(table.select(pl.len()).collect().item(), dtype=np.bool_)
        self._mask[window.rows] = taken

    def finish(self) -> None:
        """Write what is kept of the last shard."""
        if self._shard is None:
            return
        table = pl.scan_parquet(self._shards[self._shard].entities).select(*ENTITIES)
        self._paths[self._shard] = []
        for first in range(0, max(len(self._mask), 1), _ROWS):
            path = self._scratch / f"entities-{self._shard:05d}-{first // _ROWS:05d}.parquet"
            rows = table.slice(first, _ROWS).collect()
            rows.filter(pl.Series(self._mask[first : first + _ROWS])).write_parquet(path, compression="lz4")
            self._paths[self._shard].append(path)
        self._shard = None


def _sum_documents(shards: Sequence[ShardFiles], long: Sequence[int], entities: dict[int, int]) -> pl.DataFrame:
    found = pl.DataFrame(
        {"doc": list(entities), "entities": list(entities.values())}, schema={"doc": pl.UInt64, "entities": pl.UInt32}
    )
    if not long:
        return found.with_columns(tokens=pl.lit(None, pl.UInt32))
    windows = pl.concat([_long_windows(shards[shard]).select("doc", "tokens") for shard in long])
    return windows.group_by("doc").agg(pl.col("tokens").sum()).collect().join(found, on="doc")
