"""Columns by path: ``_source.body`` is the field ``body`` of the object or struct ``_source``.

A name goes before a path: where a column is called ``a.b``, that column is meant. The same holds inside an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any, cast

import polars as pl


def getter(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that returns what stands at `path` in a record; it raises KeyError where nothing does."""
    return itemgetter(path) if "." not in path else lambda record: walk(record, path)


def walk(record: Mapping[str, Any], path: str) -> Any:
    """Return what stands at `path` in a record.

    Raises:
        KeyError: nothing does.
    """
    if path in record:
        return record[path]
    for name, rest in _splits(path):
        if isinstance(inner := record.get(name), Mapping):
            try:
                return walk(inner, rest)
            except KeyError:
                continue
    raise KeyError(path)


def find_column(schema: Mapping[str, pl.DataType], path: str) -> tuple[pl.Expr, pl.DataType] | None:
    """Return the column or field of a struct that stands at `path`, and its dtype; None if there is none."""
    if path in schema:
        return pl.col(path), schema[path]
    for name, rest in _splits(path):
        found = _find_field(pl.col(name), schema[name], rest) if name in schema else None
        if found is not None:
            return found
    return None


def _find_field(parent: pl.Expr, dtype: pl.DataType, path: str) -> tuple[pl.Expr, pl.DataType] | None:
    if not isinstance(dtype, pl.Struct):
        return None
    fields = {field.name: cast("pl.DataType", field.dtype) for field in dtype.fields}
    if path in fields:
        return parent.struct.field(path), fields[path]
    for name, rest in _splits(path):
        found = _find_field(parent.struct.field(name), fields[name], rest) if name in fields else None
        if found is not None:
            return found
    return None


def list_strings(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the paths of all strings in a record, and the strings."""
    for name, value in record.items():
        if isinstance(value, str):
            yield prefix + name, value
        elif isinstance(value, Mapping):
            yield from list_strings(value, f"{prefix}{name}.")


def find_leaf(name: str, value: object) -> str:
    """Return the path of the first value in an object that is no object and no list; `name` for another value."""
    while isinstance(value, Mapping):
        found = next((each for each in value.items() if not isinstance(each[1], list)), None)
        if found is None:
            return name
        name, value = f"{name}.{found[0]}", found[1]
    return name


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to take a path for a name and the path inside it: the longest name first."""
    at = path.rfind(".")
    while at > 0:
        yield path[:at], path[at + 1 :]
        at = path.rfind(".", 0, at)
