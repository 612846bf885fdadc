"""Numbering: the parts are added up to the corpus.

It reads manifests and ids, no text. It finds where each part's documents and rows begin in the corpus, which
ids occurred before, in another file or stretch, and whether the stretches of a file join to the whole of it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from shardner.config import CorpusConfig, OnBadRecord
from shardner.corpus.files import show_path
from shardner.corpus.kept_columns import NATIVE, dtype_name, keep_dtypes
from shardner.corpus.read import bad_record
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.json_values import STRING
from shardner.data.manifest import (
    InputFile,
    Manifest,
    PartNumbers,
    ShardInfo,
    StretchNumbers,
    write_manifest,
)
from shardner.data.tables import scan_table
from shardner.errors import CorpusError
from shardner.stages.drawn_documents import draw_from_parts
from shardner.stages.duplicate_ids import RowIds, find_duplicates, id_prefixes, row_ids
from shardner.stages.duplicates import reject_duplicates
from shardner.stages.part_numbering import DUPLICATES, PartNumbering
from shardner.stages.rejected_records import describe_rejected
from shardner.stages.stretches import Place, SplitPart, check_joins, count_by_stretch, find_places, stretch_at

log = logging.getLogger(__name__)


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
    by_file = find_places(parts)
    names = list(by_file) if files is None else [show_path(path) for path in files]
    order = [place for name in names for place in by_file.get(name, ())]
    for name in names:
        check_joins(name, [stretch_at(parts, place) for place in by_file.get(name, ())])
    made = row_ids(parts, order, id_prefixes(names))
    with scratch_directory(manifest) as scratch:
        found = find_duplicates(parts, order, made, bool(corpus.fields), scratch, threads)
    if found.height and corpus.on_bad_record is OnBadRecord.FAIL:
        raise _first_duplicate(parts, order, found, corpus)
    _refuse_many_rejected(parts, found.height, rejected, max_rejected)
    with atomic_path(duplicates) as temporary:
        found.write_parquet(temporary, compression="zstd")
    gone = count_by_stretch(parts, found)
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


def _first_duplicate(
    parts: Sequence[SplitPart], order: Sequence[Place], duplicates: pl.DataFrame, corpus: CorpusConfig
) -> CorpusError:
    """Return the error about the first duplicate in corpus order."""
    gone = count_by_stretch(parts, duplicates)
    place = next(each for each in order if gone[each])
    stretches = parts[place.part].manifest.stretches
    first = sum(each.documents for each in stretches[: place.stretch])
    row = duplicates.filter((pl.col("part") == place.part) & (pl.col("doc") >= first)).select("row", "field").row(0)
    return bad_record(reject_duplicates(stretches[place.stretch], [row], corpus))


def _number(
    parts: Sequence[SplitPart],
    order: Sequence[Place],
    made: Mapping[Place, RowIds],
    gone: Mapping[Place, int],
) -> Iterator[PartNumbers]:
    """Yield the numbers of each part. `gone` counts the duplicates of each stretch."""
    placed: dict[Place, StretchNumbers] = {}
    rows: Counter[str] = Counter()
    docs = 0
    files = {name: number for number, name in enumerate(dict.fromkeys(stretch_at(parts, each).path for each in order))}
    for place in order:
        stretch = stretch_at(parts, place)
        prefix = made[place].prefix if place in made else None
        placed[place] = StretchNumbers(files[stretch.path], 0, stretch.documents, docs, rows[stretch.path], prefix)
        docs += stretch.documents - gone[place]
        rows[stretch.path] += stretch.rows
    first_shard = 0
    for number, part in enumerate(parts):
        stretches, first_local = [], 0
        for at, stretch in enumerate(part.manifest.stretches):
            stretches.append(replace(placed[Place(number, at)], first_local=first_local))
            first_local += stretch.documents
        count = len(part.manifest.shards)
        duplicated = sum(gone[Place(number, at)] for at in range(len(stretches)))
        yield PartNumbers(part.manifest.name, first_shard, count, tuple(stretches), duplicated)
        first_shard += count


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
    name: str, places: Sequence[Place], parts: Sequence[SplitPart], gone: Mapping[Place, int]
) -> InputFile:
    stretches = [stretch_at(parts, place) for place in places]
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
