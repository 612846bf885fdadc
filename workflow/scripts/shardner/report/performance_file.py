"""The figures of a run on disk: ``performance.json``."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from shardner.data.files import write_text_atomically
from shardner.report.figures import Performance


def write_performance(path: Path, performance: Performance) -> None:
    """Write the figures as JSON, atomically: a line a figure, and a line a row of what is many."""
    plain = _plain(performance)
    text = ",\n".join(f"{json.dumps(key)}: {_dump(value)}" for key, value in plain.items())
    write_text_atomically(path, f"{{\n{text}\n}}\n")


def _dump(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f" {_dump_line(each)}" for each in value) + "\n]"
    return _dump_line(value)


def _dump_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def load_performance(path: Path) -> Performance:
    """Read what `write_performance` wrote."""
    result: Performance = _build(Performance, json.loads(path.read_text("utf-8")))
    return result


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 6)
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")  # a lone surrogate fits no file


def _build(kind: Any, value: Any) -> Any:
    """Make a value of JSON into what the annotation `kind` says."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _build(arguments[0], value)
    if origin is tuple:
        return tuple(_build(arguments[0], each) for each in value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _build(hints[name], each) for name, each in value.items() if name in hints})
    return float(value) if kind is float else value
