"""Values of custom extensions (``_.NAME``): stored as text with their kind, until all of a corpus are known.

A column's type follows from all its values, as that of a ``keep`` column does. Until then each value is a text that
begins with the first letter of its kind: ``i:5``, ``s:five``, ``b:true``, ``n:0.5``, ``o:[1, 2]``.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from shardner.corpus.batch import BadRecord
from shardner.corpus.kept_columns import BOOLEAN, INTEGER, NUMBER, OTHER, STRING, json_value, keep_dtypes, keep_expr
from shardner.errors import AnnotateError

#: What the name of an extension begins with in ``output.attributes``.
PREFIX = "_."
_KINDS = {kind[0]: kind for kind in (STRING, INTEGER, NUMBER, BOOLEAN, OTHER)}
#: What stands before a value: the letter of its kind and a colon.
_MARK_CHARS = 2


def encode_value(name: str, value: object) -> str | None:
    """Return a value of the extension `name` as text with its kind; None for null.

    Raises:
        AnnotateError: the value cannot be written as JSON.
    """
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    try:
        text, kind = json_value(plain)
    except (TypeError, ValueError, BadRecord) as error:
        raise AnnotateError(
            f"output.attributes: a value of {name!r} is a {type(value).__name__} that cannot be written as JSON "
            f"({error}); let the extension return text, numbers, true or false, or lists and dictionaries of these, "
            f"or take {name!r} out of output.attributes"
        ) from error
    return None if text is None or kind is None else f"{kind[0]}:{text}"


def decode_columns(table: pl.LazyFrame, names: list[str]) -> pl.LazyFrame:
    """Return a table with the values of the extensions `names` in the type that all of them allow.

    Whole numbers give Int64, numbers Float64, true and false Boolean. Anything else gives String: texts as they are,
    other values as JSON.
    """
    if not names:
        return table
    letters = [pl.col(name).str.slice(0, 1).drop_nulls().unique().implode() for name in names]
    found = table.select(letters).collect().row(0)
    kinds = {name: frozenset(_KINDS[each] for each in values) for name, values in zip(names, found, strict=True)}
    dtypes = keep_dtypes(kinds)
    return table.with_columns(pl.col(name).str.slice(_MARK_CHARS) for name in names).with_columns(
        keep_expr(name, dtypes[name]) for name in names
    )
