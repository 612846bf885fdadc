"""Documents whose id came earlier in the corpus, in another file or stretch: they become rejected records.

The numbering finds them by hashes. What ``rejected.parquet`` shows of such a record is read from its file again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from shardner.config import CorpusConfig
from shardner.corpus.files import detect_format
from shardner.corpus.read import duplicate_reason, raws_of
from shardner.data.manifest import PartManifest, StretchInfo
from shardner.data.tables import REJECTED
from shardner.stages.part_numbering import PartNumbering

#: Characters of a window while a record is looked up: more than a record has.
_ALL_CHARS = 1 << 32

#: Returns a row of `REJECTED` for each duplicate of a part; rows are counted as in the part.
RejectDuplicates = Callable[[PartManifest, PartNumbering], pl.DataFrame]


def duplicate_rejecter(corpus: CorpusConfig) -> RejectDuplicates:
    """Return a function that makes the rows of rejected duplicates; `corpus` says how the files are read.

    It raises `CorpusError` where a file is gone or damaged.
    """
    return partial(_reject_all, corpus)


def _reject_all(corpus: CorpusConfig, part: PartManifest, numbering: PartNumbering) -> pl.DataFrame:
    tables, first = [pl.DataFrame(schema=REJECTED)], 0
    for stretch, numbers in zip(part.stretches, numbering.numbers.stretches, strict=True):
        inside = pl.col("doc").is_between(first, first + stretch.documents, closed="left")
        rows = numbering.duplicates.filter(inside).select("row", "field").rows()
        if rows:
            tables.append(reject_duplicates(stretch, rows, corpus, numbers.id_prefix, numbers.first_row))
        first += stretch.documents
    return pl.concat(tables)


def reject_duplicates(
    stretch: StretchInfo,
    rows: Sequence[tuple[int, str | None]],
    corpus: CorpusConfig,
    prefix: str | None = None,
    first_row: int = 0,
) -> pl.DataFrame:
    """Return a row of `REJECTED` for some records of a stretch.

    Args:
        stretch: what was read.
        rows: row, counted from 0 in the stretch, and field of the documents.
        corpus: how the file is read.
        prefix: with it, ids are ``<prefix>:<row of the file>``.
        first_row: row of the stretch's first record in the file.

    Raises:
        CorpusError: the file is gone, damaged or another.
    """
    source = replace(detect_format(stretch.source, corpus), start=stretch.start, stop=stretch.stop)
    found = [
        (stretch.path, row, offset, duplicate_reason(name if prefix is None else f"{prefix}:{row + first_row}"), raw)
        for row, name, offset, raw in raws_of(source, rows, corpus, max_chars=_ALL_CHARS)
    ]
    return pl.DataFrame(found, schema=REJECTED, orient="row")
