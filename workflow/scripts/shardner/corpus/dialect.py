"""How the fields of a CSV or TSV file are told apart: by the settings, and else by the file's first line."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shardner.config import AUTO, CorpusConfig, Quoting
from shardner.corpus.configured_columns import corpus_line, list_columns
from shardner.corpus.formats import TSV, InputFormat

#: What `auto` looks for in the header of a CSV file, in this order where several would do.
_DELIMITERS = (",", ";", "\t", "|")
_QUOTE = '"'
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*")
#: A field of so many words is no name of a column.
_SENTENCE_WORDS = 5
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

    def __str__(self) -> str:
        return f"delimiter {self.delimiter!r}, quoting {self.quoting.value}"

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


def other_delimiter(header: Sequence[str], column: str, dialect: Dialect | None) -> str | None:
    """Return the delimiter by which a header of one field would have a column, else most fields; None without one."""
    if len(header) != 1:
        return None
    fields = {each: _split(header[0], each) for each in _DELIMITERS if dialect is None or each != dialect.delimiter}
    having = [each for each, found in fields.items() if column in found]
    most = max(fields, key=lambda each: len(fields[each]))
    return having[0] if having else most if len(fields[most]) > 1 else None


def looks_like_data(header: Sequence[str]) -> bool:
    """Tell whether a first line, which should name columns, seems to be a record: a number, or a sentence, in it."""
    if any(len(field.split()) >= _SENTENCE_WORDS for field in header):
        return True
    numbers = [bool(_NUMBER.fullmatch(field)) for field in header]
    return any(numbers) and all(number or " " in field for number, field in zip(numbers, header, strict=True))


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


def doubt_fields(dialect: Dialect, records: Sequence[Sequence[str]], columns: int, corpus: CorpusConfig) -> list[str]:
    """Say what seems wrong with the way in which fields are told apart, each time with what to write.

    Args:
        dialect: of the file.
        records: the fields of the first records.
        columns: how many the header has.
        corpus: the settings.
    """
    doubts = []
    uneven = [number for number, fields in enumerate(records) if len(fields) != columns]
    if uneven:
        number = uneven[0]
        doubts.append(
            f"{len(uneven)} of the first {len(records)} records do not have the header's {columns} fields (row "
            f"{number} has {len(records[number])}) and will be rejected; if {dialect} is wrong, set "
            f"corpus.delimiter or corpus.quoting, for example  {corpus_line('quoting', _other(dialect.quoting).value)}"
        )
    if dialect.quoting is Quoting.NONE and corpus.quoting is Quoting.AUTO:
        open_ = [field for fields in records for field in fields if field.startswith(_QUOTE) and not _is_quoted(field)]
        if open_ and uneven:
            doubts.append(
                f"{len(open_)} of the fields begin with a quotation mark and do not end with one: if marks stand "
                f"around fields that hold line breaks, write:  {corpus_line('quoting', Quoting.STANDARD.value)}"
            )
    return doubts


def _other(quoting: Quoting) -> Quoting:
    return Quoting.STANDARD if quoting is Quoting.NONE else Quoting.NONE


def _are_quoted(fields: Sequence[str]) -> bool:
    """Tell whether fields begin with a quotation mark, and each that does ends with one."""
    begun = [field for field in fields if field.startswith(_QUOTE)]
    return bool(begun) and all(map(_is_quoted, begun))


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field.startswith(_QUOTE) and field.endswith(_QUOTE)
