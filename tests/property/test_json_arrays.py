"""A JSON array gives the records of the same objects as JSON lines, wherever the pieces end in which it is read."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import compressors
from shardner.config import parse_config
from shardner.corpus import json_array
from shardner.corpus.check import check_files
from shardner.corpus.files import can_be_entered
from shardner.corpus.json_array import is_array, read_elements
from shardner.corpus.read import read_corpus
from shardner.errors import CorpusError

CORPUS = parse_config({"corpus": {"keep": ["more"]}}).corpus
MOST = 1 << 20

awkward = st.sampled_from(['"', "\\", "[", "]", "{", "}", ",", "\n", "é", "\U0001f600", '\\"', "a"])
texts = st.lists(awkward, max_size=6).map("".join)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
records = st.fixed_dictionaries({"text": st.one_of(texts, texts, values), "more": values})
indents = st.sampled_from([None, 0, 2, "\t"])


def read(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return records and rejected records, but for the columns that say in which file they lie."""
    with tempfile.TemporaryDirectory() as scratch:
        batches = list(read_corpus([path], CORPUS, scratch=Path(scratch), max_chars=MOST))
    found = [pl.concat([getattr(batch, name) for batch in batches]) for name in ("records", "rejected")]
    return found[0].drop("file", strict=False), found[1].drop("file", strict=False)


@given(
    st.lists(records, min_size=1, max_size=8), indents, st.booleans(), st.integers(1, 40),
    st.sampled_from(list(compressors().items())), st.sampled_from([".json", ".jsonl"]),
)  # fmt: skip
def test_an_array_gives_the_records_of_its_objects_as_lines(
    objects: list[dict[str, Any]], indent: int | str | None, ascii_only: bool, piece: int, packed: Any, suffix: str
) -> None:
    for number, record in enumerate(objects):
        record["id"] = f"d{number}"
    ending, compress = packed
    whole = json.dumps(objects, indent=indent, ensure_ascii=ascii_only).encode()
    with tempfile.TemporaryDirectory() as directory, patch.object(json_array, "_PIECE_BYTES", piece):
        array = Path(directory, f"array{suffix}{ending}")
        array.write_bytes(compress(whole))
        lines = Path(directory, "lines.jsonl")
        lines.write_text("".join(json.dumps(record) + "\n" for record in objects))
        if any(isinstance(record.get("text"), str) for record in objects):  # what holds no text at all is refused
            check_files([array], CORPUS)
        assert not can_be_entered(array, CORPUS)
        (found, bad), (expected, refused) = read(array), read(lines)
    assert found.drop("byte_offset", "raw", strict=False).equals(expected.drop("byte_offset", "raw", strict=False))
    assert bad.select("row", "reason").equals(refused.select("row", "reason"))
    for row, offset in bad.select("row", "byte_offset").rows():
        value, _ = json.JSONDecoder().raw_decode(whole[offset:].decode())
        assert value == objects[row]


def elements(data: bytes) -> list[tuple[int, bytes]]:
    return list(read_elements(io.BytesIO(data), "a.json", MOST))


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"[]", []),
        (b"\xef\xbb\xbf [ ] \n", []),
        (b'[{"a": "]"} , {"b": [1, {}]}\n]\n', [(1, b'{"a": "]"}'), (14, b'{"b": [1, {}]}')]),
        (b'[{}, 7, "x,y"]', [(1, b"{}"), (5, b"7"), (8, b'"x,y"')]),
        (b"[{},,{}]", [(1, b"{}"), (4, b","), (5, b"{}")]),
        (b"[{},]", [(1, b"{}"), (4, b"]")]),
        (b'[{"a": 1}}, {}, {"a": 1]}, {}]', [(1, b'{"a": 1}}'), (12, b"{}"), (16, b'{"a": 1]}'), (27, b"{}")]),
    ],
)
def test_elements_are_found_by_their_brackets(data: bytes, found: list[tuple[int, bytes]], piece: int) -> None:
    with patch.object(json_array, "_PIECE_BYTES", piece):
        assert is_array(data) and elements(data) == found


@pytest.mark.parametrize(
    ("data", "before", "said"),
    [
        (b'[{"a": 1}, {"b"', 1, "in the middle of its array"),
        (b'[{"a": 1}, {"b": "x', 1, "in the middle of its array"),
        (b'[{"a": 1}] {"b": 2}', 1, "something follows its array"),
        (b'[{"a": 1}, {"b": "%s"}]' % (b"x" * 200), 1, "has more than 100 bytes"),
    ],
)
def test_an_array_that_is_damaged_gives_what_stands_before_and_then_an_error(
    data: bytes, before: int, said: str
) -> None:
    found = []
    with patch.object(json_array, "_PIECE_BYTES", 8), pytest.raises(CorpusError, match=said):
        for element in read_elements(io.BytesIO(data), "a.json", 100):
            found.append(element)
    assert len(found) == before


def test_a_file_that_is_gone_is_taken_for_lines(tmp_path: Path) -> None:
    assert can_be_entered(tmp_path / "gone.jsonl", CORPUS)


@pytest.mark.parametrize("start", [b'["x", 1]\n{"id": 1}', b'{"a": [{}]}', b"", b"[[{}]]", b"[]\n{}", b'x[{"a": 1}]'])
def test_what_is_no_array_of_objects_stays_lines(start: bytes) -> None:
    assert not is_array(start)


def test_the_head_of_an_array_is_an_array(tmp_path: Path) -> None:
    from shardner.corpus.samples import take_heads

    path = tmp_path / "array.json"
    path.write_text(json.dumps([{"id": number, "text": "Ada " * 50, "more": 1} for number in range(200)], indent=1))
    (tmp_path / "heads").mkdir()
    [head] = take_heads([(path, path.stat().st_size)], CORPUS, 5_000, tmp_path / "heads")
    found, bad = read(head.path)
    assert bad.is_empty() and 20 <= found.height < 40
    assert found["id"].to_list() == [str(number) for number in range(found.height)]
