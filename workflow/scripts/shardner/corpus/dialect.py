"""How the fields of a CSV or TSV file are told apart: by the settings, and else by the file's first line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
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


def doubt(dialect: Dialect, corpus: CorpusConfig, fields: Sequence[str], malformed: Sequence[bytes]) -> str | None:
    """Say why the quoting that `auto` took looks wrong, and what to write; None where it does not.

    Args:
        dialect: of the file.
        corpus: the settings.
        fields: of the first records.
        malformed: those of the first records that cannot be parsed.
    """
    if corpus.quoting is not Quoting.AUTO:
        return None
    if dialect.quoting is Quoting.STANDARD and any(b'\\"' in raw for raw in malformed):
        found, first, second = 'a quotation mark in a field seems to be \\"', Quoting.BACKSLASH, Quoting.STANDARD
        meaning = 'If a mark is doubled ("")'
    elif dialect.quoting is Quoting.NONE and _are_quoted(fields):
        found, first, second = "fields seem to stand in quotation marks", Quoting.STANDARD, Quoting.NONE
        meaning = "If the marks are part of the texts"
    else:
        return None
    return (
        f"{found}; write:  {corpus_line('quoting', first.value)}\n"
        f"  {meaning}, write:  {corpus_line('quoting', second.value)}"
    )


def _are_quoted(fields: Sequence[str]) -> bool:
    """Tell whether fields begin with a quotation mark, and each that does ends with one."""
    begun = [field for field in fields if field.startswith(_QUOTE)]
    return bool(begun) and all(map(_is_quoted, begun))


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field.startswith(_QUOTE) and field.endswith(_QUOTE)
