"""The columns that the configuration names, and what to say when a file lacks one of them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from pathlib import Path

import yaml

from shardner.config import CorpusConfig
from shardner.corpus.files import show_path
from shardner.errors import CorpusError

_SHOWN = 20
#: Two names are alike if so much of them is the same (see `difflib.SequenceMatcher.ratio`).
_LIKE = 0.6
#: Every whole number up to it is a float of its own.
_EXACT = float(1 << 53)


def list_columns(corpus: CorpusConfig) -> list[tuple[str, str]]:
    """List the columns that the configuration names, each as (key under ``corpus``, name of the column)."""
    wanted = [("text", corpus.text), ("id", corpus.id), *(("keep", column) for column in corpus.keep)]
    return [(key, column) for key, column in wanted if column is not None]


def missing_column(
    path: Path,
    key: str,
    column: str,
    present: Sequence[str] | Mapping[str, str],
    corpus: CorpusConfig,
    *,
    hint: str = "",
    longest: str | None = None,
) -> CorpusError:
    """Say that `path` has no `column`, the value of ``corpus.<key>``; which columns it has, and what to write.

    Args:
        path: the file.
        key: the setting that names the column: ``text``, ``id`` or ``keep``.
        column: the name of the column.
        present: the columns that the file has; each perhaps with what to write for it, where it holds objects.
        corpus: the settings.
        hint: a remark about where the columns are named.
        longest: the column with the longest strings, if it is known.
    """
    written = present if isinstance(present, Mapping) else {name: name for name in present}
    names = ", ".join(repr(name) for name in list(present)[:_SHOWN]) or "none"
    more = f" and {len(present) - _SHOWN} more" if len(present) > _SHOWN else ""
    lines = [f"{show_path(path)}: there is no column {column!r} (corpus.{key}); its columns: {names}{more}"]
    if hint:
        lines[0] += f" ({hint})"
    near = nearest(column, list(present))
    if near is not None:
        near = written[near]
        lines.append(f"  the nearest is {near!r}; write:  {corpus_line(key, _value(key, column, near, corpus))}")
    elif key == "text" and longest is not None:
        lines.append(f"  {guess_text(longest, corpus)}")
    elif key == "keep":
        lines.append(f"  write:  {corpus_line(key, [name for name in corpus.keep if name != column])}")
    if key == "id":
        lines.append(f"  without ids in the input, write:  {corpus_line('id', None)}")
    return CorpusError("\n".join(lines))


def guess_text(longest: str | None, corpus: CorpusConfig) -> str:
    """Say which column may be the text, as a guess; nothing without one."""
    if longest is None:
        return ""
    line = corpus_line("text", _value("text", corpus.text, longest, corpus))
    return f"its longest strings are in {longest!r}; if that is the text, write:  {line}"


def nearest(column: str, present: Sequence[str]) -> str | None:
    """Return the name that is most like `column`, ignoring case; None if none is like it."""

    def likeness(name: str) -> float:
        return difflib.SequenceMatcher(None, column.casefold(), name.casefold()).ratio()

    near = max(present, key=likeness, default=None)
    return near if near is not None and likeness(near) >= _LIKE else None


class LongestStrings:
    """Finds the column whose strings are the longest, together."""

    def __init__(self) -> None:
        self._chars = Counter[str]()

    def add(self, strings: Iterable[tuple[str, str]]) -> None:
        """Take strings of a record, each with the name of its column."""
        for column, value in strings:
            self._chars[column] += len(value)

    @property
    def column(self) -> str | None:
        """The name of the column; None if no string has a character."""
        return next((column for column, chars in self._chars.most_common(1) if chars), None)


def is_whole(number: float) -> bool:
    """Tell whether a float stands for one whole number, so that it can be an id."""
    return number.is_integer() and abs(number) <= _EXACT


def corpus_line(key: str, value: object) -> str:
    """Return the line of YAML that sets ``corpus.<key>``."""
    shown = yaml.safe_dump({key: value}, default_flow_style=True, width=inf, allow_unicode=True).strip()
    return f"corpus: {shown}"


def _value(key: str, column: str, near: str, corpus: CorpusConfig) -> object:
    if key == "text" and corpus.fields:
        return list(dict.fromkeys(near if name == column else name for name in corpus.fields))
    if key != "keep":
        return near
    return list(dict.fromkeys(near if name == column else name for name in corpus.keep))
