"""Records of which several columns are texts: each gives a document, one after the other.

A file is read once for each of them, and what is read is put together by rows. So each reader knows one text only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.config import FIELD
from shardner.corpus.batch import MISSING_TEXT, Batch, Draft, Extent
from shardner.data.json_values import STRING
from shardner.data.tables import REJECTED

_NUMBER = "field number"
T = TypeVar("T")


def add_field(draft: Draft, name: str | None) -> Draft:
    """Add the column `FIELD` to the records of a batch: the name of their field, or null where a record is its text."""
    batch = draft.batch
    kinds = frozenset[str]() if name is None or not batch.records.height else frozenset({STRING})
    records = batch.records.with_columns(pl.lit(name, pl.String).alias(FIELD))
    return replace(draft, batch=replace(batch, records=records, kinds=MappingProxyType({**batch.kinds, FIELD: kinds})))


def interleave(drafts: Sequence[Iterator[Draft]], names: Sequence[str]) -> Iterator[Draft]:
    """Put together what was read of a file for each field.

    Records come by row, and those of a row by field. A text that is missing costs no record where another is there.

    Args:
        drafts: of each field.
        names: of the fields.
    """
    streams = [_Stream(each, name, number) for number, (each, name) in enumerate(zip(drafts, names, strict=True))]
    while True:
        least = min(stream.rows for stream in streams if not stream.ended)
        for stream in streams:
            if not stream.ended and stream.rows == least:
                stream.advance()
        ended = all(stream.ended for stream in streams)
        limit = None if ended else min(stream.rows for stream in streams if not stream.ended)
        extent = min((stream.extent for stream in streams), key=lambda each: each.rows)
        taken = [stream.take(limit) for stream in streams]
        if any(taken):
            yield _join(taken, names, extent)
        if ended:
            return


@dataclass(slots=True)
class _Taken:
    """What is taken of a field: whole rows."""

    records: pl.DataFrame
    rejected: pl.DataFrame
    kinds: dict[str, frozenset[str]]
    offsets: list[int]
    raws: list[bytes]
    file: str


@dataclass(slots=True)
class _Stream:
    """The batches of a field, of which what has not been taken yet is held."""

    drafts: Iterator[Draft]
    name: str
    number: int
    held: list[Draft] = field(default_factory=list)
    extent: Extent = field(default_factory=lambda: Extent(0, 0, 0))
    ended: bool = False

    @property
    def rows(self) -> int:
        """How many rows have been read."""
        return self.extent.rows

    def advance(self) -> None:
        """Read the next batch."""
        draft = next(self.drafts, None)
        if draft is None:
            self.ended = True
            return
        numbered = draft.batch.records.with_columns(pl.lit(self.number, pl.UInt32).alias(_NUMBER))
        self.held.append(add_field(replace(draft, batch=replace(draft.batch, records=numbered)), self.name))
        self.extent = draft.batch.extent

    def take(self, limit: int | None) -> list[_Taken]:
        """Return what is held of the rows before `limit`, and hold the rest."""
        taken, rest = list[_Taken](), list[Draft]()
        for draft in self.held:
            batch = draft.batch
            end = batch.records.height if limit is None else int((batch.records["row"] < limit).sum())
            bad = batch.rejected.height if limit is None else int((batch.rejected["row"] < limit).sum())
            places = list(draft.offsets[:end]), list(draft.raws[:end])
            taken.append(_Taken(batch.records[:end], batch.rejected[:bad], dict(batch.kinds), *places, batch.file))
            if end < batch.records.height or bad < batch.rejected.height:
                left = replace(batch, records=batch.records[end:], rejected=batch.rejected[bad:])
                rest.append(replace(draft, batch=left, offsets=draft.offsets[end:], raws=draft.raws[end:]))
        self.held = rest
        return taken


def _join(fields: Sequence[Sequence[_Taken]], names: Sequence[str], extent: Extent) -> Draft:
    pieces = [piece for taken in fields for piece in taken]
    records = pl.concat([piece.records for piece in pieces])
    order = np.lexsort((records[_NUMBER].to_numpy(), records["row"].to_numpy()))
    kinds = dict[str, frozenset[str]]()
    for piece in pieces:
        for column, found in piece.kinds.items():
            kinds[column] = kinds.get(column, frozenset()) | found
    rejected = _join_rejected([[piece.rejected for piece in taken] for taken in fields], names)
    ordered = records.drop(_NUMBER)[order]
    batch = Batch(pieces[0].file, ordered, rejected, MappingProxyType(kinds), extent)
    return Draft(
        batch, _pick([piece.offsets for piece in pieces], order), _pick([piece.raws for piece in pieces], order)
    )


def _pick(pieces: Sequence[list[T]], order: npt.NDArray[np.intp]) -> list[T]:
    """Return what belongs to records, in their order; nothing of a format that has no places."""
    values = [value for piece in pieces for value in piece]
    return [values[at] for at in order.tolist()] if values else []


def _join_rejected(fields: Sequence[Sequence[pl.DataFrame]], names: Sequence[str]) -> pl.DataFrame:
    """Return each reason once a record. What is wrong with one field names it; a missing text counts if all are."""
    found: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for name, tables in zip(names, fields, strict=True):
        for table in tables:
            for row in table.iter_rows(named=True):
                found.setdefault(row["row"], []).append((name, row))
    rows = []
    for number in sorted(found):
        refused = found[number]
        if len(refused) == len(names) and len({row["reason"] for _, row in refused}) == 1:
            rows.append(refused[0][1])
            continue
        rows += [
            {**row, "reason": f"{row['reason']} ({FIELD} {name!r})"}
            for name, row in refused
            if row["reason"] != MISSING_TEXT
        ]
    return pl.DataFrame(rows, schema=REJECTED)
