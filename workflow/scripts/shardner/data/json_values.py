"""JSON values as text with their kind, for columns whose type follows from all values of a corpus."""

from __future__ import annotations

import json

STRING = "string"
INTEGER = "integer"  # fits 64 bits with sign
NUMBER = "number"
BOOLEAN = "boolean"
OTHER = "other"
KINDS = (STRING, INTEGER, NUMBER, BOOLEAN, OTHER)


def json_value(value: object) -> tuple[str | None, str | None]:
    """Return a JSON value as text (a string as it is) and its kind; two times None for null.

    Raises:
        TypeError: it is no JSON value.
        ValueError: it is nested too deeply to be written, or in itself.
    """
    if value is None:
        return None, None
    if isinstance(value, str):
        return value, STRING
    if isinstance(value, bool):
        return ("true" if value else "false"), BOOLEAN
    if isinstance(value, int):
        return str(value), INTEGER if -(1 << 63) <= value < 1 << 63 else OTHER
    try:
        return json.dumps(value, ensure_ascii=False), NUMBER if isinstance(value, float) else OTHER
    except RecursionError:
        raise ValueError("nested too deeply") from None
