"""Ids that come twice in the corpus, in different parts or stretches of files.

Those within a part the split has found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.config import FIELD
from shardner.corpus.read import document_keys
from shardner.corpus.seen_ids import Hashes, SeenInRanges, hash_ids
from shardner.data.ahead import map_ahead
from shardner.data.tables import scan_table, shard_path
from shardner.stages.part_numbering import DUPLICATES
from shardner.stages.stretches import Place, SplitPart, stretch_at

#: Ids of about so many documents are held at once, by each thread.
RUN_DOCUMENTS = 1 << 18


class RowIds(NamedTuple):
    """How ids are made of rows."""

    prefix: str
    first_row: int


def row_ids(parts: Sequence[SplitPart], order: Sequence[Place], prefixes: Mapping[str, str]) -> dict[Place, RowIds]:
    """Return how the ids of those stretches are made that bring none of their own."""
    rows: Counter[str] = Counter()
    made = {}
    for place in order:
        stretch = stretch_at(parts, place)
        if stretch.by_row:
            made[place] = RowIds(prefixes[stretch.path], rows[stretch.path])
        rows[stretch.path] += stretch.rows
    return made


def id_prefixes(paths: Sequence[str]) -> Mapping[str, str]:
    """Return what made ids start with, by path: a file's base name, or its path if two have the same base name."""
    bases = {path: path.rpartition("/")[2] for path in paths}
    times = Counter(bases.values())
    return {path: base if times[base] == 1 else path for path, base in bases.items()}


def find_duplicates(
    parts: Sequence[SplitPart],
    order: Sequence[Place],
    made: Mapping[Place, RowIds],
    several: bool,
    scratch: Path,
    threads: int,
) -> pl.DataFrame:
    """Return the documents whose ids came earlier in the corpus: the table `DUPLICATES`.

    Where a record gives `several` documents, ids are compared together with the fields.

    Ids that are made of file and row differ from one another. So they are compared only where other ids occur as well.
    Ids are read and hashed side by side, and compared in sets, each of which knows a range of hashes.
    """
    filled = [place for place in order if stretch_at(parts, place).documents]
    if len(filled) < 2 or all(stretch_at(parts, place).by_row for place in filled):
        return pl.DataFrame(schema=DUPLICATES)
    runs = [run for chain in _chain(parts, filled, made) for run in _find_runs(parts, chain[0], chain[-1])]
    with ThreadPoolExecutor(threads) as readers, ThreadPoolExecutor(threads) as comparers:
        seen, found = SeenInRanges(scratch, comparers), []
        read = partial(_read_hashes, parts, made, several)
        for run, (records, hashes) in zip(runs, map_ahead(readers, read, runs, 2 * threads), strict=True):
            gone = np.flatnonzero(~seen.add_hashes(hashes))
            if gone.size:
                table = records[gone].with_columns(part=pl.lit(run.place.part), doc=pl.Series(run.first_doc + gone))
                found.append(table.select(*DUPLICATES).cast(dict(DUPLICATES)))  # type: ignore[arg-type]
    return pl.concat(found).sort("part", "doc") if found else pl.DataFrame(schema=DUPLICATES)


class _Run(NamedTuple):
    """Consecutive documents of a part, in consecutive shards."""

    place: Place  # of the first one
    first_doc: int  # number in the part of the first one
    shards: Sequence[int]
    skipped: int  # documents at the start of the first shard that are not of the run
    documents: int


def _chain(parts: Sequence[SplitPart], places: Sequence[Place], made: Mapping[Place, RowIds]) -> Iterator[list[Place]]:
    """Yield stretches that follow one another in a part, and bring their own ids; any other by itself."""

    def follows(last: Place, place: Place) -> bool:
        if last.part != place.part or last.stretch >= place.stretch or {last, place} & made.keys():
            return False
        return not any(each.documents for each in parts[last.part].manifest.stretches[last.stretch + 1 : place.stretch])

    chain: list[Place] = []
    for place in places:
        if chain and follows(chain[-1], place):
            chain.append(place)
            continue
        if chain:
            yield chain
        chain = [place]
    yield chain


def _find_runs(parts: Sequence[SplitPart], place: Place, last: Place) -> Iterator[_Run]:
    """Yield the documents of a stretch, and of those up to the last one, in runs of about `RUN_DOCUMENTS`."""
    manifest = parts[place.part].manifest
    start = sum(each.documents for each in manifest.stretches[: place.stretch])
    end = start + sum(each.documents for each in manifest.stretches[place.stretch : last.stretch + 1])
    before, run = 0, _Run(place, start, (), 0, 0)
    for info in manifest.shards:
        first, stop = max(start, before), min(end, before + info.documents)
        if first < stop:
            skipped = run.skipped if run.shards else first - before
            run = run._replace(
                shards=(*run.shards, info.shard), skipped=skipped, documents=run.documents + stop - first
            )
        before += info.documents
        if run.documents >= RUN_DOCUMENTS:
            yield run
            run = _Run(place, stop, (), 0, 0)
    if run.documents:
        yield run


def _read_hashes(
    parts: Sequence[SplitPart], made: Mapping[Place, RowIds], several: bool, run: _Run
) -> tuple[pl.DataFrame, Hashes]:
    """Return rows and fields (n) and hashes of what must be unique (2, n) of a run."""
    directory, how = parts[run.place.part].shards, made.get(run.place)
    windows = scan_table([shard_path(directory, shard) for shard in run.shards]).filter(pl.col("window") == 0)
    fields = [FIELD] if several else []
    table = windows.select("row", "id", *fields).slice(run.skipped, run.documents).collect()
    if how is not None:
        table = table.with_columns(id=(how.prefix + ":") + (table["row"] + how.first_row).cast(pl.String))
    hashes = hash_ids(document_keys(table, several=bool(fields)))
    return table.select("row", pl.col(FIELD) if fields else pl.lit(None, pl.String).alias(FIELD)), hashes
