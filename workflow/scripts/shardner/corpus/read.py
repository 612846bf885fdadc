"""The whole corpus, file by file, as batches of records with unique ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.config import CorpusConfig, OnBadRecord, Unit
from shardner.corpus import delimited, jsonl, parquet, text
from shardner.corpus.batch import Batch, Builder, Draft, Slice
from shardner.corpus.check import refuse_columns_of_text
from shardner.corpus.files import Layout, detect_format, show_path
from shardner.corpus.missing_columns import corpus_line
from shardner.corpus.seen_ids import SeenIds
from shardner.corpus.streams import open_stream, read_lines
from shardner.data.tables import REJECTED, escape_raw
from shardner.errors import CorpusError

#: A window's length where none is given.
WINDOW_CHARS = 500_000

_EXCERPT = 120
_ID_SHOWN = 80


def read_corpus(
    files: Sequence[Path], corpus: CorpusConfig, *, scratch: Path, max_chars: int = WINDOW_CHARS
) -> Iterator[Batch]:
    """Yield the records of all files in corpus order, in batches of bounded rows and bytes.

    Every file yields at least one batch, and every record is a row of a batch's ``records`` or of its ``rejected``.

    Args:
        files: the input files, from `expand_files`.
        corpus: columns and what becomes of bad records.
        scratch: a directory for the set of ids, about 32 bytes an id at its largest.
        max_chars: of a window, where a text file is one document and too long to be held (see `Batch.slice`).

    Raises:
        CorpusError: a file is missing or damaged (what stands before the damage has been yielded by then), lacks a
            column, or, under ``on_bad_record: fail``, holds a bad record.
    """
    # plain text has no ids but those of file and row: nothing to compare where there is nothing else
    nameless = {path for path in files if corpus.id is None or detect_format(path).layout is Layout.TXT}
    seen = SeenIds(scratch) if nameless != set(files) else None
    names = _names(files)
    native = _is_native(files, corpus.keep)
    for path in files:
        for draft in _read_file(path, corpus, names[path] if path in nameless else None, native, max_chars):
            batch = draft.batch if seen is None else _without_duplicates(draft, seen)
            if corpus.on_bad_record is OnBadRecord.FAIL and batch.rejected.height:
                raise _first_bad(batch.rejected)
            yield batch


def _names(files: Sequence[Path]) -> Mapping[Path, str]:
    """Name files for ids: by their base names where those differ."""
    bases = {path: show_path(Path(path.name)) for path in files}
    times = Counter(bases.values())
    return {path: base if times[base] == 1 else show_path(path) for path, base in bases.items()}


def _is_native(files: Sequence[Path], keep: Sequence[str]) -> bool:
    """Tell whether all files are Parquet and agree on the dtypes of the ``keep`` columns."""
    if not keep or any(detect_format(path).layout is not Layout.PARQUET for path in files):
        return False
    schemas = [parquet.read_schema(path) for path in files]
    return all(schema.get(column) == schemas[0].get(column) for schema in schemas for column in keep)


def _read_file(path: Path, corpus: CorpusConfig, name: str | None, native: bool, max_chars: int) -> Iterator[Draft]:
    form = detect_format(path)
    if form.layout is Layout.PARQUET:
        yield from parquet.read(path, corpus, name=name, native=native)
        return
    builder = Builder(show_path(path), name, corpus.keep)
    damage = None
    try:
        for part in _fill(path, builder, corpus, max_chars):
            yield builder.take(part)
    except CorpusError as error:
        damage = error
    if builder.taken == 0 or not builder.empty:
        yield builder.take()
    if damage is not None:
        raise damage


def _fill(path: Path, builder: Builder, corpus: CorpusConfig, max_chars: int) -> Iterator[Slice | None]:
    """Read a file into `builder`; yield whenever it is full, and what it is full with if that is a window."""
    form = detect_format(path)
    if form.layout is Layout.TXT:
        refuse_columns_of_text(path, corpus)
        if corpus.unit is Unit.FILE:
            yield from text.fill_whole(lambda: open_stream(path, form.compression), builder, max_chars)
            return
    with open_stream(path, form.compression) as stream:
        match form.layout:
            case Layout.JSONL:
                yield from jsonl.fill(read_lines(stream), builder, corpus)
            case Layout.TXT:
                yield from text.fill_lines(read_lines(stream), builder)
            case _:
                records = delimited.read_records(read_lines(stream), form.layout, path)
                header = delimited.read_header(records, path, corpus)
                yield from delimited.fill(records, header, builder, corpus)


def _without_duplicates(draft: Draft, seen: SeenIds) -> Batch:
    """Move the records whose ids came before to the rejected ones."""
    batch = draft.batch
    if batch.slice is not None and batch.slice.window > 0:
        return batch  # its id came with its first window
    new = seen.add(batch.records["id"])
    if new.all():
        return batch
    duplicates = _duplicates(draft, np.flatnonzero(~new))
    rejected = pl.concat([batch.rejected, duplicates]).sort("row", maintain_order=True)
    return replace(batch, records=batch.records.filter(pl.Series(new)), rejected=rejected)


def _duplicates(draft: Draft, places: npt.NDArray[np.intp]) -> pl.DataFrame:
    rows = []
    for place, record in zip(places.tolist(), draft.batch.records[places].iter_rows(named=True), strict=True):
        shown = record["id"][:_ID_SHOWN].encode("unicode_escape").decode()
        reason = f"duplicate id '{shown}{'…' if len(record['id']) > _ID_SHOWN else ''}'"
        if draft.raws:
            offset, raw = draft.offsets[place], escape_raw(draft.raws[place])
        else:
            offset, raw = None, parquet.show_row(record["id"], record["text"])
        rows.append((draft.batch.file, record["row"], offset, reason, raw))
    return pl.DataFrame(rows, schema=REJECTED, orient="row")


def _first_bad(rejected: pl.DataFrame) -> CorpusError:
    bad = rejected.row(0, named=True)
    place = "" if bad["byte_offset"] is None else f" (byte {bad['byte_offset']})"
    raw = bad["raw"]
    excerpt = raw[:_EXCERPT] + ("…" if len(raw) > _EXCERPT else "")
    return CorpusError(
        f"{bad['file']}, row {bad['row']}{place}: {bad['reason']}; the record starts: {excerpt}\n"
        f"  mend it, or let bad records be listed in rejected.parquet:  {corpus_line('on_bad_record', 'reject')}"
    )
