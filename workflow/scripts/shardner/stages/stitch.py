"""Long documents made whole: what was found in their windows becomes the entities of the whole document.

Windows come in corpus order, whichever shards hold them. There are two kinds.

- A window with *candidates* has all entities that could begin in it, each as it is in the whole document. The
  recogniser's parse is a walk over the candidates: it takes the first, goes on after its end, and never sees those that
  begin inside it. So the walk goes on from one window to the next, and an entity may lie across a cut.
- A window with *entities* comes from an engine that gives no candidates. It has the entities of the window and its
  margins. So both windows next to a cut have entities near it. The merge goes over from one window to the other at a
  place where neither has an entity open, the nearest to the cut. What follows such a place depends on no entity before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.data.tables import ShardFiles, scan_table
from shardner.engine.attributes import SENTENCE

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: Two windows are joined at most so far from a cut, in code points. This is half of the margins of such windows.
JOIN_REACH_CHARS = 1_000
#: So many rows of entities are filtered at once.
_ROWS = 1 << 18
#: The end of a candidate whose end is not known.
_UNKNOWN = 0


@dataclass(frozen=True, slots=True)
class WindowSpans:
    """A window of a long document and what was found in it, by start; offsets are code points of the document."""

    shard: int
    rows: slice  # in the shard's table of entities
    doc: int
    begin: int  # where the window begins
    candidates: bool  # what was found are candidates, not entities
    starts: Ints  # (n,)
    ends: Ints  # (n,)


class Taken(NamedTuple):
    """A window, and which of its rows are entities of the document."""

    window: WindowSpans
    rows: Bools  # (n,)
    unsure: list[int]  # places of the document where that could not be told for sure


@dataclass(frozen=True, slots=True)
class Stitched:
    """The entities of all shards, with those of long documents as they are in the whole document."""

    entities: list[Path]  # tables, in corpus order
    documents: pl.DataFrame  # one row per long document: doc, tokens, entities
    joins: int  # cuts at which two windows met
    by_margins: int  # of those cuts, the ones where entities of both sides were compared
    unsure: list[tuple[int, int]]  # document and place where an entity may be wrong


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
    counts: dict[int, int] = {}
    unsure: list[tuple[int, int]] = []
    joins = by_margins = 0
    kept = _KeptRows(shards, scratch, _count_sentences_before(shards, long))
    last: WindowSpans | None = None
    for window, taken, places in stitch(_read_windows(shards, long)):
        if window.doc in refused:
            kept.add(window, np.zeros_like(taken))
            continue
        if last is not None and last.doc == window.doc:
            joins += 1
            by_margins += not (last.candidates and window.candidates)
        last = window
        counts[window.doc] = counts.get(window.doc, 0) + int(taken.sum())
        unsure += [(window.doc, place) for place in places]
        kept.add(window, taken)
    paths = kept.finish()
    entities = [path for number, files in enumerate(shards) for path in paths.get(number, [files.entities])]
    return Stitched(entities, _sum_documents(shards, long, counts), joins, by_margins, unsure)


def stitch(windows: Iterable[WindowSpans]) -> Iterator[Taken]:
    """Yield for each window which of its rows are entities of the document.

    Args:
        windows: by document, and by place in it.
    """
    before, free = None, 0
    for window in windows:
        if before is not None and before.doc != window.doc:
            yield Taken(before, *_walk(before, free)[:2])
            before = None
        if before is None:
            before, free = window, 0
            continue
        taken, unsure, end = _walk(before, free)
        place, sure = find_join(before, taken, end, window, free)
        taken &= before.starts < place
        yield Taken(before, taken, unsure if sure else [*unsure, window.begin])
        # entities must not overlap, not even where no good place was found
        before, free = window, max(place, int(before.ends[taken].max(initial=0)))
    if before is not None:
        yield Taken(before, *_walk(before, free)[:2])


def find_join(left: WindowSpans, taken: Bools, free: int, right: WindowSpans, least: int) -> tuple[int, bool]:
    """Return the place from which `right` is relied on, and whether neither side has an entity open there.

    Args:
        left: a window.
        taken: which of its rows are entities of the document, if `left` is relied on to its end.
        free: where the last of these ends, if `left` has candidates.
        right: the next window.
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


def _walk(window: WindowSpans, free: int) -> tuple[Bools, list[int], int]:
    """Walk over a window's rows from `free` on.

    Returns which rows (n,) are entities, the starts of candidates that were reached but have no known end, and, for
    candidates, where the last entity ends.
    """
    if not window.candidates:
        return window.starts >= free, [], free
    taken = np.zeros(len(window.starts), dtype=np.bool_)
    unsure = []
    for row, (start, end) in enumerate(zip(window.starts.tolist(), window.ends.tolist(), strict=True)):
        if start < free:
            continue
        if end == _UNKNOWN:
            unsure.append(start)
            continue
        taken[row], free = True, end
    return taken, unsure, free


def _read_windows(shards: Sequence[ShardFiles], long: Sequence[int]) -> Iterator[WindowSpans]:
    """Yield the windows of long documents, in corpus order."""
    for shard in long:
        files = shards[shard]
        rows = scan_table(files.entities).select("doc", "window", "start", "end").collect()
        docs, starts, ends = (rows[name].to_numpy().astype(np.int64) for name in ("doc", "start", "end"))
        windows = _long_windows(files).select("doc", "window", "start", "candidates").collect()
        # document and window as one number, to look rows up by
        first_doc = int(docs[0]) if len(docs) else 0
        keys = ((docs - first_doc) << 32) + rows["window"].to_numpy().astype(np.int64)
        for doc, number, begin, candidates in windows.iter_rows():
            key = ((doc - first_doc) << 32) + number
            first, last = np.searchsorted(keys, [key, key + 1]).tolist()
            row_range = slice(first, last)
            yield WindowSpans(shard, row_range, doc, begin, candidates, starts[row_range], ends[row_range])


def _long_windows(files: ShardFiles) -> pl.LazyFrame:
    return scan_table(files.documents).filter(pl.col("windows") > 1)


class _KeptRows:
    """Writes the entities of shards that hold long documents, without the rows that are no entities."""

    def __init__(self, shards: Sequence[ShardFiles], scratch: Path, sentences: pl.DataFrame) -> None:
        """Take the results of the shards, a directory for tables, and what `_count_sentences_before` returns."""
        self._shards, self._scratch, self._sentences = shards, scratch, sentences
        self._shard: int | None = None
        self._mask = np.empty(0, dtype=np.bool_)
        self._paths: dict[int, list[Path]] = {}

    def add(self, window: WindowSpans, taken: Bools) -> None:
        """Keep those rows of a window that are taken. Windows come in corpus order."""
        if window.shard != self._shard:
            self.finish()
            self._shard = window.shard
            table = scan_table(self._shards[window.shard].entities)
            self._mask = np.ones(table.select(pl.len()).collect().item(), dtype=np.bool_)
        self._mask[window.rows] = taken

    def finish(self) -> dict[int, list[Path]]:
        """Write what is kept of the last shard; return the tables of each shard that was written."""
        if self._shard is not None:
            self._paths[self._shard] = list(self._write(self._shard))
            self._shard = None
        return self._paths

    def _write(self, shard: int) -> Iterator[Path]:
        table = scan_table(self._shards[shard].entities)
        for first in range(0, max(len(self._mask), 1), _ROWS):
            path = self._scratch / f"entities-{shard:05d}-{first // _ROWS:05d}.parquet"
            rows = table.slice(first, _ROWS).collect()
            rows = rows.filter(pl.Series(self._mask[first : first + _ROWS]))
            if SENTENCE in rows.columns:
                rows = _number_sentences(rows, self._sentences)
            rows.write_parquet(path, compression="lz4")
            yield path


def _count_sentences_before(shards: Sequence[ShardFiles], long: Sequence[int]) -> pl.DataFrame:
    """Return for each window of a long document how many sentences start before it: ``doc``, ``window``, ``before``."""
    if not long:
        return pl.DataFrame(schema={"doc": pl.UInt64, "window": pl.UInt32, "before": pl.Int64})
    windows = [_long_windows(shards[shard]).select("doc", "window", "sentence_starts") for shard in long]
    counts = pl.col("sentence_starts").cast(pl.Int64)
    before = (counts.cum_sum() - counts).over("doc").alias("before")
    return pl.concat(windows).collect().select("doc", "window", before)


def _number_sentences(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Return entities with sentences numbered in their document, instead of in their window."""
    numbered = rows.join(before, on=["doc", "window"], how="left", maintain_order="left")
    return numbered.with_columns(pl.col(SENTENCE) + pl.col("before").fill_null(0)).drop("before")


def _sum_documents(shards: Sequence[ShardFiles], long: Sequence[int], entities: dict[int, int]) -> pl.DataFrame:
    found = pl.DataFrame(
        {"doc": list(entities), "entities": list(entities.values())}, schema={"doc": pl.UInt64, "entities": pl.UInt32}
    )
    if not long:
        return found.with_columns(tokens=pl.lit(None, pl.UInt32))
    windows = pl.concat([_long_windows(shards[shard]).select("doc", "tokens") for shard in long])
    return windows.group_by("doc").agg(pl.col("tokens").sum()).collect().join(found, on="doc")
