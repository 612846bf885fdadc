"""The figures of a run on disk: ``performance.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shardner.data.files import write_text_atomically
from shardner.data.typed_json import dump_plain, read_json, to_plain
from shardner.report.figures import Performance

#: Digits after the point: microseconds, of times.
DIGITS = 6


def write_performance(path: Path, performance: Performance) -> None:
    """Write the figures as JSON, atomically: one line per figure, and where a figure has many rows, one per row."""
    plain = to_plain(performance, digits=DIGITS)
    text = ",\n".join(f"{dump_plain(key)}: {_dump_rows(value)}" for key, value in plain.items())
    write_text_atomically(path, f"{{\n{text}\n}}\n")


def _dump_rows(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f" {dump_plain(each)}" for each in value) + "\n]"
    return dump_plain(value)


def load_performance(path: Path) -> Performance:
    """Read what `write_performance` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it does not hold the figures of a run.
    """
    return read_json(path, Performance)
