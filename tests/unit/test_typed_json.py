from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.data.provenance import Host, Provenance
from shardner.data.typed_json import dump_plain, from_plain, read_json, to_plain, write_json
from shardner.errors import JsonFileError, ShardnerError
from shardner.model.pipeline import Pipeline
from shardner.report.figures import Performance
from shardner.stages.estimate.figures import Estimate, SampleFigures
from shardner.stages.verify.findings import Findings, Verification

#: Every class that a stage writes to a file.
WRITTEN = (Job, Manifest, Pipeline, Provenance, Performance, Findings, Verification, SampleFigures, Estimate)
TEXT = st.text(st.characters(), max_size=5)  # lone surrogates among them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Path: TEXT.map(Path),
    Any: JSON,
    types.NoneType: st.none(),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of what a dataclass may be annotated with."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in SCALARS:
        return SCALARS[kind]
    if origin is types.UnionType:
        return st.one_of(*map(values_of, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    if origin in (dict, Mapping):
        return st.dictionaries(TEXT, values_of(arguments[1]), max_size=2)
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    return st.builds(kind, **{name: values_of(each) for name, each in typing.get_type_hints(kind).items()})


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class Inner:
    numbers: tuple[float, ...] = ()
    by_name: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    place: Path
    colour: Colour
    pair: tuple[int, str]
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    flag: bool = False


OUTER = Outer("n", Path("a/b"), Colour.BLUE, (1, "x"), Inner((1.5,), {"k": 2}), (Inner(), Inner((2.0,))), True)
PLAIN = {
    "name": "n", "place": "a/b", "colour": "blue", "pair": [1, "x"],
    "inner": {"numbers": [1.5], "by_name": {"k": 2}},
    "many": [{"numbers": [], "by_name": {}}, {"numbers": [2.0], "by_name": {}}], "flag": True,
}  # fmt: skip


@pytest.mark.parametrize("kind", [*WRITTEN, Outer], ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_is_written_comes_back(kind: type, data: st.DataObject) -> None:
    value = data.draw(values_of(kind))
    text = dump_plain(to_plain(value), indent=1)
    text.encode("utf-8")
    assert from_plain(json.loads(text), kind) == value


def test_a_class_is_written_field_by_field(tmp_path: Path) -> None:
    assert to_plain(OUTER) == PLAIN and from_plain(PLAIN, Outer) == OUTER
    write_json(tmp_path / "new" / "outer.json", OUTER)
    assert json.loads((tmp_path / "new" / "outer.json").read_text("utf-8")) == PLAIN
    assert read_json(tmp_path / "new" / "outer.json", Outer) == OUTER


def test_numbers_are_rounded_where_asked_for() -> None:
    assert to_plain({"a": (1 / 3, 7)}, digits=3) == {"a": [0.333, 7]}


def test_a_field_may_be_absent_instead_of_null() -> None:
    assert to_plain(Host("a")) == {"name": "a"} and from_plain({"name": "a"}, Host) == Host("a")
    assert to_plain(Host("a", cores=2)) == {"name": "a", "cores": 2}


def test_other_versions_are_read_as_far_as_they_are_known() -> None:
    older = {key: value for key, value in PLAIN.items() if key not in ("many", "inner", "flag")}
    assert from_plain(older, Outer) == dataclasses.replace(OUTER, many=(), inner=None, flag=False)
    assert from_plain({**PLAIN, "newer": [1]}, Outer) == OUTER
    assert from_plain({**PLAIN, "inner": {"numbers": [3]}}, Outer).inner == Inner(
        (3.0,)
    )  # whole, so written without a point


def test_what_json_has_not_is_not_written() -> None:
    with pytest.raises(TypeError, match="JSON has no set"):
        to_plain({"a": {1, 2}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_plain(float("nan"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "name should be a text, not None"),
        ({"name": "x" * 500}, None),
        ({"pair": [1]}, r"pair should be a list, not \[1\]"),
        ({"pair": [True, "x"]}, r"pair\[0\] should be a whole number, not True"),
        ({"flag": 1}, "flag should be true or false, not 1"),
        ({"colour": "green"}, "colour should be red or blue, not 'green'"),
        ({"inner": []}, r"inner should be an object, not \[\]"),
        ({"inner": {"by_name": {"k": 2.5}}}, r"inner\.by_name\['k'\] should be a whole number, not 2\.5"),
        ({"many": [{}, {"numbers": ["1"]}]}, r"many\[1\]\.numbers\[0\] should be a number, not '1'"),
        ({"many": [{}, {"numbers": [10**400]}]}, r"many\[1\]\.numbers\[0\] should be a number, not 1000"),
        ({"many": {}}, "many should be a list, not {}"),
        ({"place": 7}, "place should be a path, not 7"),
    ],
)
def test_an_error_names_file_and_field(tmp_path: Path, changes: dict[str, Any], message: str | None) -> None:
    path = tmp_path / "outer.json"
    path.write_text(json.dumps(PLAIN | changes))
    if message is None:
        assert read_json(path, Outer).name == changes["name"]
        return
    with pytest.raises(JsonFileError, match=rf"outer\.json: {message}") as error:
        read_json(path, Outer)
    assert isinstance(error.value, ShardnerError) and isinstance(error.value, ValueError)
    assert "remove the file and run again" in str(error.value) and len(str(error.value)) < 400


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "outer.json"
    path.write_text(json.dumps({key: value for key, value in PLAIN.items() if key != "pair"}))
    with pytest.raises(JsonFileError, match=r"outer\.json: pair is missing"):
        read_json(path, Outer)


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": "\xff"}', b"[1, 2]"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outer.json"
    path.write_bytes(content)
    with pytest.raises(JsonFileError, match=r"outer\.json: it (is not JSON|should be an object)"):
        read_json(path, Outer)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json", Outer)
