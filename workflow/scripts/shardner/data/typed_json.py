"""Dataclasses as JSON files, and back: one way for everything that the stages leave on disk.

A class is written field by field, under the names of the fields. It is read by its annotations: what the file holds
besides is left out, and a field that is missing takes its default. So a file of an older or newer version can be read
as long as the fields that both versions know have kept their meaning.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from shardner.data.files import write_text_atomically
from shardner.errors import JsonFileError

T = TypeVar("T")

#: The ``metadata`` of a field that the file does not mention where its value is None.
ABSENT_IF_NONE = types.MappingProxyType({"absent_if_none": True})
#: Characters of an unexpected value that an error shows.
SHOWN_CHARS = 80

_WORDS = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path", tuple: "a list",
}  # fmt: skip


def write_json(path: Path, value: Any) -> None:
    """Write a dataclass as JSON, atomically. See `to_plain` for what it may hold."""
    write_text_atomically(path, dump_plain(to_plain(value), indent=1) + "\n")


def read_json(path: Path, kind: type[T]) -> T:
    """Read a file as the dataclass `kind`.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it is not JSON, lacks a field that has no default, or has a value of the wrong type; the message
            names file and field.
    """
    try:
        return from_plain(json.loads(path.read_text("utf-8")), kind)
    except ValueError as error:
        broken = isinstance(error, (json.JSONDecodeError, UnicodeDecodeError))
        problem = f"it is not JSON: {error}" if broken else str(error)
        raise JsonFileError(f"{path}: {problem}; remove the file and run again") from error


def dump_plain(plain: Any, *, indent: int | None = None) -> str:
    r"""Return JSON in which text stands as it is.

    A lone surrogate, which UTF-8 cannot express, is escaped (``\udcff``); the name of a file may hold one.

    Raises:
        ValueError: there is a number that is not finite: JSON has none.
    """
    text = json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def to_plain(value: Any, *, digits: int | None = None) -> Any:
    """Return a value as dicts, lists, texts, numbers, booleans and None.

    Args:
        value: a dataclass, mapping, tuple, list, enum, path, text, number or None, and such values in it.
        digits: to which floating-point numbers are rounded; None keeps them as they are.

    Raises:
        TypeError: there is something else in it.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((each, getattr(value, each.name)) for each in dataclasses.fields(value))
        shown = (pair for pair in fields if pair[1] is not None or pair[0].metadata != ABSENT_IF_NONE)
        return {each.name: to_plain(held, digits=digits) for each, held in shown}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each, digits=digits) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each, digits=digits) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and digits is not None:
        return round(value, digits)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"JSON has no {type(value).__name__}: {value!r}")


def from_plain(plain: Any, kind: type[T]) -> T:
    """Return the `kind` of which `to_plain` returned `plain`; mappings come back as dicts.

    `kind` is a dataclass. Its fields are annotated with dataclasses, ``tuple[X, ...]``, ``tuple[X, Y]``,
    ``Mapping[str, X]``, ``dict[str, X]``, enums, `Path`, str, int, float, bool, ``X | None``, or `Any` for what is
    taken as it is.

    Raises:
        ValueError: a field is missing or has a value of the wrong type; names the field.
    """
    value: T = _read(plain, kind, "")
    return value


@cache  # a run has a record for each shard: the annotations of a class are looked up once
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...] | None:
    """Return name and type of the fields of a dataclass, and whether each is required; None for another class."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return None
    hints = typing.get_type_hints(kind)
    none = dataclasses.MISSING
    return tuple((f.name, hints[f.name], f.default is f.default_factory is none) for f in dataclasses.fields(kind))


@cache
def _generic(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return what a generic type is made of: ``tuple`` and its arguments, say."""
    return typing.get_origin(kind), typing.get_args(kind)


def _read(plain: Any, kind: Any, place: str) -> Any:
    """Return a value of JSON as a `kind`; `place` says where it stands, for an error."""
    if kind is Any or (type(plain) is kind and kind in _WORDS):  # not isinstance: True is no number
        return plain
    origin, arguments = _generic(kind)
    if origin is types.UnionType:
        return None if plain is None else _read(plain, arguments[0], place)
    if type(plain) is dict:
        if (fields := _fields(kind)) is not None:
            return kind(**_read_fields(plain, fields, place))
        if origin in (dict, Mapping):
            return {key: _read(each, arguments[1], f"{place}[{key!r}]") for key, each in plain.items()}
    elif type(plain) is list and origin is tuple:
        kinds = arguments[:1] * len(plain) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(plain):
            return tuple(_read(*each, f"{place}[{i}]") for i, each in enumerate(zip(plain, kinds, strict=True)))
    elif kind is float and type(plain) is int and abs(plain) < 1 << 1023:
        return float(plain)
    elif kind is Path and type(plain) is str:
        return Path(plain)
    elif isinstance(kind, type) and issubclass(kind, Enum) and plain in [each.value for each in kind]:
        return kind(plain)
    raise ValueError(f"{place.lstrip('.') or 'it'} should be {_describe(kind)}, not {repr(plain)[:SHOWN_CHARS]}")


def _describe(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(str(each.value) for each in kind)
    return _WORDS.get(typing.get_origin(kind) or kind, "an object")


def _read_fields(plain: dict[str, Any], fields: tuple[tuple[str, Any, bool], ...], place: str) -> dict[str, Any]:
    found = {}
    for name, kind, required in fields:
        if name in plain:
            found[name] = _read(plain[name], kind, f"{place}.{name}")
        elif required:
            raise ValueError(f"{place}.{name} is missing".lstrip("."))
    return found
