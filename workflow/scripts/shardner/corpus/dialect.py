"""How the fields of a CSV or TSV file are told apart: by the settings, and else by the file's first line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shardner.config import AUTO, CorpusConfig, Quoting
from shardner.corpus.configured_columns import corpus_line, list_columns
from shardner.corpus.formats import TSV, InputFormat

#: What `auto` looks for in the header of a CSV file, in this order where several would do.
_DELIMITERS = (",", ";", "\t", "|")
_QUOTE = '"'
_OPTIONS: dict[Quoting, dict[str, Any]] = {
    Quoting.STANDARD: {},
    Quoting.NONE: {"quoting": csv.QUOTE_NONE},
    Quoting.BACKSLASH: {"doublequote": False, "escapechar": "\\"},
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How fields are told apart.

    Attributes:
        delimiter: the character between fields.
        quoting: what a quotation mark means; never `Quoting.AUTO`.
        named: whether the first line is no header but names the delimiter (``sep=;``), as spreadsheets write it.
    """

    delimiter: str
    quoting: Quoting
    named: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `csv.reader`."""
        return {"delimiter": self.delimiter, **_OPTIONS[self.quoting]}


def find_dialect(first_line: str, form: InputFormat, corpus: CorpusConfig) -> Dialect:
    """Return the dialect of a file: what is not set follows from its first line that is not blank."""
    line = first_line.rstrip("\r\n")
    named = line[4] if len(line) == 5 and line[:4].lower() == "sep=" else None
    if corpus.delimiter != AUTO:
        delimiter = corpus.delimiter
    else:
        delimiter = "\t" if form is TSV else named or _find_delimiter(line, corpus)
    quoting = corpus.quoting
    if quoting is Quoting.AUTO:
        quoted = any(_is_quoted(field) for field in line.split(delimiter))
        quoting = Quoting.NONE if form is TSV and not quoted else Quoting.STANDARD
    return Dialect(delimiter, quoting, named is not None)


def _find_delimiter(header: str, corpus: CorpusConfig) -> str:
    """Return the first delimiter that gives all columns of `corpus`, else the one that gives most fields."""
    fields = {each: _split(header, each) for each in _DELIMITERS}
    wanted = {column for _, column in list_columns(corpus)}
    complete = [each for each in _DELIMITERS if wanted <= set(fields[each])]
    return complete[0] if complete else max(_DELIMITERS, key=lambda each: len(fields[each]))


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:  # who reads the header says what is wrong with it
        return header.split(delimiter)


def doubt(dialect: Dialect, corpus: CorpusConfig, records: Iterable[tuple[Sequence[str], bytes, bool]]) -> str | None:
    """Say why the quoting that `auto` took looks wrong, and what to write; None where it does not.

    Args:
        dialect: of the file.
        corpus: the settings.
        records: the first records: the fields, the bytes, and whether it could not be parsed.
    """
    if corpus.quoting is not Quoting.AUTO:
        return None
    if dialect.quoting is Quoting.STANDARD:
        if any(failed and b'\\"' in raw for _, raw, failed in records):
            return (
                'its quoted fields seem to hold \\" for a quotation mark, where "" is expected; '
                f"write:  {corpus_line('quoting', Quoting.BACKSLASH.value)}"
            )
        return None
    fields = [field for record, _, _ in records for field in record]
    quoted = sum(map(_is_quoted, fields))
    begun = sum(field.startswith(_QUOTE) for field in fields)
    if quoted and begun == quoted:
        return (
            "every field that begins with a quotation mark ends with one. If the marks stand around fields, write:  "
            f"{corpus_line('quoting', Quoting.STANDARD.value)}\n  if they are part of the texts, write:  "
            f"{corpus_line('quoting', Quoting.NONE.value)}"
        )
    return None


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field.startswith(_QUOTE) and field.endswith(_QUOTE)
