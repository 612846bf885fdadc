"""Read the whole corpus, file by file, as batches of records with unique ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.config import CorpusConfig, OnBadRecord
from shardner.corpus.batch import Batch, Draft, show_row
from shardner.corpus.configured_columns import corpus_line
from shardner.corpus.files import SourceFile, detect_format, show_path
from shardner.corpus.reader import ReadOptions
from shardner.corpus.registry import READERS
from shardner.corpus.seen_ids import SeenIds
from shardner.data.tables import REJECTED, escape_raw
from shardner.errors import CorpusError

#: How many characters of a bad record a message shows.
_EXCERPT = 120
#: How many characters of a duplicate id the reason shows.
_ID_SHOWN = 80


def read_corpus(files: Sequence[Path], corpus: CorpusConfig, *, scratch: Path, max_chars: int) -> Iterator[Batch]:
    """Yield the records of all files in corpus order, in batches of bounded rows and bytes.

    Every file yields at least one batch. Every record is one row, either of ``records`` or of ``rejected`` of a batch.

    Args:
        files: the input files, from `expand_files`.
        corpus: the columns, and what becomes of bad records.
        scratch: a directory for the set of ids; at its largest it takes about 32 bytes per id.
        max_chars: the most characters of a window, where a text file is one document that is too long to be held in
            memory (see `Batch.position`).

    Raises:
        CorpusError: a file is missing or damaged (what stands before the damage has been yielded by then), lacks a
            column, or, under ``on_bad_record: fail``, holds a bad record.
    """
    sources = [detect_format(path) for path in files]
    # Ids that are made of file and row need not be compared.
    named_by_row = [corpus.id is None or not source.format.has_columns for source in sources]
    seen = None if all(named_by_row) else SeenIds(scratch)
    prefixes = _id_prefixes(files)
    native = _is_native(sources, corpus.keep)
    for source, by_row in zip(sources, named_by_row, strict=True):
        options = ReadOptions(corpus, prefixes[source.path] if by_row else None, native, max_chars)
        for draft in READERS[source.format].read(source, options):
            batch = draft.batch if seen is None else _without_duplicates(draft, seen)
            if corpus.on_bad_record is OnBadRecord.FAIL and batch.rejected.height:
                raise _first_bad(batch.rejected)
            yield batch


def _id_prefixes(files: Sequence[Path]) -> Mapping[Path, str]:
    """Return what ids of each file start with: its base name, or its path if two files have the same base name."""
    bases = {path: show_path(Path(path.name)) for path in files}
    times = Counter(bases.values())
    return {path: base if times[base] == 1 else show_path(path) for path, base in bases.items()}


def _is_native(sources: Sequence[SourceFile], keep: Sequence[str]) -> bool:
    """Tell whether all files say the dtypes of their columns, and agree on those of the ``keep`` columns."""
    if not keep or not all(source.format.has_dtypes for source in sources):
        return False
    schemas = [READERS[source.format].read_dtypes(source) for source in sources]
    return all(schema.get(column) == schemas[0].get(column) for schema in schemas for column in keep)


def _without_duplicates(draft: Draft, seen: SeenIds) -> Batch:
    """Move the records whose ids came before to the rejected records."""
    batch = draft.batch
    if batch.position is not None and batch.position.window > 0:
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
            offset, raw = None, show_row(record["id"], record["text"])
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
