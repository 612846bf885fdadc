from __future__ import annotations

import polars as pl
import pytest
from shardner.corpus.kept_columns import dtype_name, keep_dtypes, keep_expr, parse_dtype
from shardner.data.json_values import json_value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (None, None)),
        ("ü", ("ü", "string")),
        (True, ("true", "boolean")),
        (False, ("false", "boolean")),
        (12, ("12", "integer")),
        (-(2**63), (str(-(2**63)), "integer")),
        (2**63, (str(2**63), "other")),
        (1.5, ("1.5", "number")),
        (["ä", 1], ('["ä", 1]', "other")),
        ({"a": None}, ('{"a": null}', "other")),
    ],
)
def test_a_json_value_becomes_text_and_kind(value: object, expected: tuple[str | None, str | None]) -> None:
    assert json_value(value) == expected


@pytest.mark.parametrize(
    ("kinds", "dtype"),
    [
        ({"integer"}, pl.Int64()),
        ({"integer", "number"}, pl.Float64()),
        ({"number"}, pl.Float64()),
        ({"boolean"}, pl.Boolean()),
        ({"string"}, pl.String()),
        ({"string", "integer"}, pl.String()),
        ({"boolean", "integer"}, pl.String()),
        ({"other"}, pl.String()),
        (set(), pl.String()),
        ({"native"}, None),
    ],
)
def test_kinds_resolve_to_a_dtype_that_survives_the_manifest(kinds: set[str], dtype: pl.DataType | None) -> None:
    assert keep_dtypes({"a": frozenset(kinds)}) == {"a": dtype}
    assert parse_dtype(dtype_name(dtype)) == dtype


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["1", None, "-2"], pl.Int64(), [1, None, -2]),
        (["1", "2.5", "1e400", "1e-7"], pl.Float64(), [1.0, 2.5, float("inf"), 1e-7]),
        (["true", None, "false"], pl.Boolean(), [True, None, False]),
        (["a"], pl.String(), ["a"]),
        ([[1, 2]], None, [[1, 2]]),
    ],
)
def test_text_is_cast_back(values: list[object], dtype: pl.DataType | None, expected: list[object]) -> None:
    assert pl.DataFrame({"a": values}).select(keep_expr("a", dtype))["a"].to_list() == expected


def test_every_float_comes_back_as_it_was() -> None:
    floats = [1e400, -1e400, 1e-320, 0.1 + 0.2, 1e22, 5e-324, 1.7976931348623157e308]
    texts = [json_value(value)[0] for value in floats]
    assert pl.DataFrame({"a": texts}).select(keep_expr("a", pl.Float64()))["a"].to_list() == floats
