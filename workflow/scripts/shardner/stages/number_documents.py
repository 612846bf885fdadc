"""Numbering: the parts are added up to the corpus.

It reads manifests and ids, no text. It finds where each part's documents and rows begin in the corpus, which
ids occurred before, in another file or stretch, and whether the stretches of a file join to the whole of it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.config import FIELD, CorpusConfig, OnBadRecord
from shardner.corpus.files import show_path
from shardner.corpus.kept_columns import NATIVE, dtype_name, keep_dtypes
from shardner.corpus.read import bad_record, document_keys
from shardner.corpus.seen_ids import Hashes, SeenInRanges, hash_ids
from shardner.data.ahead import map_ahead
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.json_values import STRING
from shardner.data.manifest import (
    InputFile,
    Manifest,
    PartManifest,
    PartNumbers,
    ShardInfo,
    StretchInfo,
    StretchNumbers,
    write_manifest,
)
from shardner.data.tables import scan_table, shard_path
from shardner.data.typed_json import read_json
from shardner.errors import CorpusError
from shardner.stages.drawn_documents import draw_from_parts
from shardner.stages.duplicates import reject_duplicates
from shardner.stages.part_numbering import DUPLICATES, PartNumbering
from shardner.stages.rejected_records import describe_rejected

log = logging.getLogger(__name__)

#: Ids of about so many documents are held at once, by each thread.
RUN_DOCUMENTS = 1 << 18
#: Where the first record of a file may begin: at its start, or after a byte-order mark.
_FIRST_BYTES = (0, 3)


class SplitPart(NamedTuple):
    """What the split made of a part, as far as the numbering reads it."""

    manifest: PartManifest
    drawn: Path  # the table of drawn documents
    shards: Path  # the directory of the part's shards


class _Place(NamedTuple):
    """A stretch of a file: the number of its part, and its place in the part."""

    part: int
    stretch: int


def number_documents(
    files: Sequence[Path] | None,
    parts: Sequence[SplitPart],
    corpus: CorpusConfig,
    *,
    manifest: Path,
    duplicates: Path,
    drawn: Path,
    rejected: Sequence[Path] = (),
    max_rejected: float = 1.0,
    threads: int = 1,
) -> Manifest:
    """Number the documents of all parts, and write the manifest of the corpus.

    Args:
        files: the input files in corpus order; None for the order in which the parts have them.
        parts: in any order, in which the stretches of a file follow one another.
        corpus: what becomes of bad records.
        manifest: where the manifest goes.
        duplicates: where the table `part_numbering.DUPLICATES` goes.
        drawn: where the table `drawn_documents.DRAWN_DOCUMENTS` goes.
        rejected: the records that the split rejected, of each part; for their reasons.
        max_rejected: share of the corpus's records.
        threads: on which ids are read and compared.

    Raises:
        CorpusError: a file changed while it was read, or its stretches do not join; more records than `max_rejected`
            cannot be read; or, under ``on_bad_record: fail``, an id occurs twice.
    """
    by_file = _find_places(parts)
    names = list(by_file) if files is None else [show_path(path) for path in files]
    order = [place for name in names for place in by_file.get(name, ())]
    for name in names:
        _check_joins(name, [_stretch(parts, place) for place in by_file.get(name, ())])
    made = _row_ids(parts, order, id_prefixes(names))
    with scratch_directory(manifest) as scratch:
        found = _find_duplicates(parts, order, made, bool(corpus.fields), scratch, threads)
    if found.height and corpus.on_bad_record is OnBadRecord.FAIL:
        raise _first_duplicate(parts, order, found, corpus)
    _refuse_many_rejected(parts, found.height, rejected, max_rejected)
    with atomic_path(duplicates) as temporary:
        found.write_parquet(temporary, compression="zstd")
    gone = _count_by_stretch(parts, found)
    numbers = list(_number(parts, order, made, gone))
    result = Manifest(
        files=tuple(_add_up_file(name, by_file.get(name, ()), parts, gone) for name in names),
        parts=tuple(numbers),
        shards=tuple(_number_shards(parts, numbers, found)),
        documents=sum(part.manifest.documents for part in parts) - found.height,
        rejected=sum(part.manifest.rejected for part in parts) + found.height,
        chars=sum(part.manifest.chars for part in parts),
        keep=_find_keep(parts),
    )
    draw_from_parts([part.drawn for part in parts], result, found, drawn)
    write_manifest(manifest, result)
    log.info(
        "%d documents in %d parts and %d shards, %d records rejected, %d of them duplicates between parts",
        result.documents, len(parts), len(result.shards), result.rejected, found.height,
    )  # fmt: skip
    return result


def _refuse_many_rejected(parts: Sequence[SplitPart], duplicates: int, rejected: Sequence[Path], most: float) -> None:
    """Raise `CorpusError` if more records cannot be read than `most`; nothing has to be annotated to know that."""
    documents = sum(part.manifest.documents for part in parts) - duplicates
    refused = sum(part.manifest.rejected for part in parts) + duplicates
    if refused > most * (documents + refused):
        reasons = scan_table(list(rejected)).select("reason").collect()["reason"] if rejected else pl.Series([""])
        raise CorpusError(describe_rejected(refused, documents, reasons, most))


def read_parts(manifests: Sequence[str], drawn: Sequence[str], shards: Sequence[str]) -> list[SplitPart]:
    """Return what the split made of all parts."""
    found = zip(manifests, drawn, shards, strict=True)
    return [SplitPart(read_json(Path(manifest), PartManifest), *map(Path, paths)) for manifest, *paths in found]


def _find_places(parts: Sequence[SplitPart]) -> dict[str, list[_Place]]:
    """Return where the stretches of each file are, in their order."""
    places: dict[str, list[_Place]] = defaultdict(list)
    for number, part in enumerate(parts):
        for at, stretch in enumerate(part.manifest.stretches):
            places[stretch.path].append(_Place(number, at))
    for found in places.values():
        found.sort(key=lambda place: _stretch(parts, place).start)
    return places


def _stretch(parts: Sequence[SplitPart], place: _Place) -> StretchInfo:
    return parts[place.part].manifest.stretches[place.stretch]


def _check_joins(name: str, stretches: Sequence[StretchInfo]) -> None:
    """Raise unless the stretches of a file are of the same file, and have every record of it once."""
    if len({(each.bytes, each.modified_ns) for each in stretches}) > 1:
        raise CorpusError(
            f"{name}: the file changed while it was read; run again when it is complete: all of it is then read anew"
        )
    if len(stretches) < 2:
        return
    filled = [each for each in stretches if each.rows]
    joined = all(left.end == right.begin for left, right in pairwise(filled))
    planned = all(left.stop == right.start for left, right in pairwise(stretches))
    complete = stretches[0].start == 0 and stretches[-1].stop is None
    complete = complete and (not filled or filled[0].begin in _FIRST_BYTES)
    if not (joined and planned and complete):
        raise CorpusError(
            f"{name}: what was read of it in {len(stretches)} parts does not join to the whole file; "
            f"remove the directory .work/split and run again"
        )


def _find_duplicates(
    parts: Sequence[SplitPart],
    order: Sequence[_Place],
    made: Mapping[_Place, _RowIds],
    several: bool,
    scratch: Path,
    threads: int,
) -> pl.DataFrame:
    """Return the documents whose ids came earlier in the corpus: the table `DUPLICATES`.

    Where a record gives `several` documents, ids are compared together with the fields.

    Ids that are made of file and row differ from one another. So they are compared only where other ids occur as well.
    Ids are read and hashed side by side, and compared in sets, each of which knows a range of hashes.
    """
    filled = [place for place in order if _stretch(parts, place).documents]
    if len(filled) < 2 or all(_stretch(parts, place).by_row for place in filled):
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


def _first_duplicate(
    parts: Sequence[SplitPart], order: Sequence[_Place], duplicates: pl.DataFrame, corpus: CorpusConfig
) -> CorpusError:
    """Return the error about the first duplicate in corpus order."""
    gone = _count_by_stretch(parts, duplicates)
    place = next(each for each in order if gone[each])
    stretches = parts[place.part].manifest.stretches
    first = sum(each.documents for each in stretches[: place.stretch])
    row = duplicates.filter((pl.col("part") == place.part) & (pl.col("doc") >= first)).select("row", "field").row(0)
    return bad_record(reject_duplicates(stretches[place.stretch], [row], corpus))


class _RowIds(NamedTuple):
    """How ids are made of rows."""

    prefix: str
    first_row: int


def _row_ids(parts: Sequence[SplitPart], order: Sequence[_Place], prefixes: Mapping[str, str]) -> dict[_Place, _RowIds]:
    """Return how the ids of those stretches are made that bring none of their own."""
    rows: Counter[str] = Counter()
    made = {}
    for place in order:
        stretch = _stretch(parts, place)
        if stretch.by_row:
            made[place] = _RowIds(prefixes[stretch.path], rows[stretch.path])
        rows[stretch.path] += stretch.rows
    return made


def id_prefixes(paths: Sequence[str]) -> Mapping[str, str]:
    """Return what made ids start with, by path: a file's base name, or its path if two have the same base name."""
    bases = {path: path.rpartition("/")[2] for path in paths}
    times = Counter(bases.values())
    return {path: base if times[base] == 1 else path for path, base in bases.items()}


class _Run(NamedTuple):
    """Consecutive documents of a part, in consecutive shards."""

    place: _Place  # of the first one
    first_doc: int  # number in the part of the first one
    shards: Sequence[int]
    skipped: int  # documents at the start of the first shard that are not of the run
    documents: int


def _chain(
    parts: Sequence[SplitPart], places: Sequence[_Place], made: Mapping[_Place, _RowIds]
) -> Iterator[list[_Place]]:
    """Yield stretches that follow one another in a part, and bring their own ids; any other by itself."""

    def follows(last: _Place, place: _Place) -> bool:
        if last.part != place.part or last.stretch >= place.stretch or {last, place} & made.keys():
            return False
        return not any(each.documents for each in parts[last.part].manifest.stretches[last.stretch + 1 : place.stretch])

    chain: list[_Place] = []
    for place in places:
        if chain and follows(chain[-1], place):
            chain.append(place)
            continue
        if chain:
            yield chain
        chain = [place]
    yield chain


def _find_runs(parts: Sequence[SplitPart], place: _Place, last: _Place) -> Iterator[_Run]:
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
    parts: Sequence[SplitPart], made: Mapping[_Place, _RowIds], several: bool, run: _Run
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


def _number(
    parts: Sequence[SplitPart],
    order: Sequence[_Place],
    made: Mapping[_Place, _RowIds],
    gone: Mapping[_Place, int],
) -> Iterator[PartNumbers]:
    """Yield the numbers of each part. `gone` counts the duplicates of each stretch."""
    placed: dict[_Place, StretchNumbers] = {}
    rows: Counter[str] = Counter()
    docs = 0
    files = {name: number for number, name in enumerate(dict.fromkeys(_stretch(parts, each).path for each in order))}
    for place in order:
        stretch = _stretch(parts, place)
        prefix = made[place].prefix if place in made else None
        placed[place] = StretchNumbers(files[stretch.path], 0, stretch.documents, docs, rows[stretch.path], prefix)
        docs += stretch.documents - gone[place]
        rows[stretch.path] += stretch.rows
    first_shard = 0
    for number, part in enumerate(parts):
        stretches, first_local = [], 0
        for at, stretch in enumerate(part.manifest.stretches):
            stretches.append(replace(placed[_Place(number, at)], first_local=first_local))
            first_local += stretch.documents
        count = len(part.manifest.shards)
        duplicated = sum(gone[_Place(number, at)] for at in range(len(stretches)))
        yield PartNumbers(part.manifest.name, first_shard, count, tuple(stretches), duplicated)
        first_shard += count


def _count_by_stretch(parts: Sequence[SplitPart], duplicates: pl.DataFrame) -> Counter[_Place]:
    """Return how many duplicates each stretch has."""
    counts: Counter[_Place] = Counter()
    for (part,), table in duplicates.group_by("part"):
        ends = np.cumsum([each.documents for each in parts[int(part)].manifest.stretches])
        at, times = np.unique(np.searchsorted(ends, table["doc"].to_numpy(), side="right"), return_counts=True)
        counts.update({_Place(int(part), int(a)): int(b) for a, b in zip(at, times, strict=True)})
    return counts


def _number_shards(
    parts: Sequence[SplitPart], numbers: Sequence[PartNumbers], duplicates: pl.DataFrame
) -> Iterator[ShardInfo]:
    """Yield the shards of the corpus."""
    gone = {int(part): table for (part,), table in duplicates.group_by("part", maintain_order=True)}
    for number, (part, each) in enumerate(zip(parts, numbers, strict=True)):
        table = gone.get(number, pl.DataFrame(schema=DUPLICATES))
        numbering = PartNumbering(each, table)
        infos = part.manifest.shards
        ends = [info.first_doc for info in infos[1:]] + [part.manifest.documents]
        for info, end in zip(infos, _fill_backwards(ends), strict=True):
            if info.first_doc is None:
                yield replace(info, shard=each.first_shard + info.shard)
                continue
            # a duplicate has no number: the next document's place, which it would have
            first = int(numbering.to_corpus(np.array([info.first_doc]))[0])
            if not numbering.in_order:  # one shard, whose first document is not the first of the corpus
                first = min(stretch.first_doc for stretch in each.stretches if stretch.documents)
            begun = info.first_doc + (info.first_window > 0)  # the first document that begins in the shard
            lost = table.filter(pl.col("doc").is_between(begun, end, closed="left")).height
            yield replace(info, shard=each.first_shard + info.shard, first_doc=first, documents=info.documents - lost)


def _fill_backwards(ends: Sequence[int | None]) -> list[int]:
    """Return where each shard ends; an empty shard has no first document, so that of the next one counts."""
    filled: list[int] = []
    after = 0
    for end in reversed(ends):
        after = after if end is None else end
        filled.append(after)
    return filled[::-1]


def _add_up_file(
    name: str, places: Sequence[_Place], parts: Sequence[SplitPart], gone: Mapping[_Place, int]
) -> InputFile:
    stretches = [_stretch(parts, place) for place in places]
    lost = sum(gone[place] for place in places)
    return InputFile(
        path=name,
        bytes=stretches[0].bytes if stretches else 0,
        sha256=stretches[0].sha256 if len(stretches) == 1 else None,
        documents=sum(each.documents for each in stretches) - lost,
        rejected=sum(each.rejected for each in stretches) + lost,
    )


def _find_keep(parts: Sequence[SplitPart]) -> Mapping[str, str]:
    """Return the dtype of each kept column: that of the files where all say the same, else what all values allow."""
    kinds: dict[str, frozenset[str]] = {}
    dtypes: dict[str, set[str | None]] = defaultdict(set)
    for part in parts:
        for column, found in part.manifest.kinds.items():
            dtypes[column].add(part.manifest.native.get(column))
            held = frozenset(found)
            if NATIVE in held:  # as strings, if other parts differ
                held = held - {NATIVE} | ({STRING} if part.manifest.documents else frozenset())
            kinds[column] = kinds.get(column, frozenset()) | held
    native = {column for column, found in dtypes.items() if len(found) == 1 and None not in found}
    chosen = {column: None if column in native else dtype for column, dtype in keep_dtypes(kinds).items()}
    return {column: dtype_name(dtype) for column, dtype in chosen.items()}
