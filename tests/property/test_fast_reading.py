"""JSON lines, read fast: the records, ids, kept values, places and rejections of the slow reader, to the byte."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from unittest.mock import patch

import old_reader
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import some_examples
from shardner.config import parse_config
from shardner.corpus import batch as bounds
from shardner.corpus import streams
from shardner.corpus.read import read_corpus
from shardner.data.tables import REJECTED

KEEP = ["k", "amount"]

numbers = st.sampled_from(
    ["0", "-0", "1.0", "-0.0", "1e5", "1E400", "-1e-400", "0.1", "9223372036854775807", "9223372036854775808",
     "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1" * 40, "9" * 310, "9" * 5_000, "01",
     "1.", "NaN", "Infinity", "-Infinity", "123456789.123456789", "1e22", "5e-324", "1.7976931348623157e308", "-", "+1"]
)  # fmt: skip
strings = st.one_of(
    st.text(max_size=8).map(json.dumps),
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(
        ['""', '"a"', r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\ude00"', r'"\u0000"', '"\x01"', '"\x7f"', r'"\x"', '"',
         "'a'", '"\u2028\u0085"', r'"\ud800\u0041"']
    ),
)  # fmt: skip
others = st.sampled_from(
    ["null", "true", "false", "[]", "{}", '[1,{"a":"b"}]', "nul", "[" * 950 + "]" * 950, "[" * 600]
)
values = st.one_of(strings, strings, numbers, others)
keys = st.sampled_from(["id", "text", "k", "amount", "other", "text"])
spaces = st.sampled_from(["", "", " ", "\t", "\r", "\x0c", "\u00a0", "\ufeff"])


@st.composite
def objects(draw: st.DrawFn) -> str:
    pairs = draw(st.lists(st.tuples(keys, spaces, values), max_size=5))
    inside = ",".join(f'{space}"{key}":{value}' for key, space, value in pairs)
    return draw(spaces) + "{" + inside + "}" + draw(spaces)


good = st.tuples(st.integers(0, 30), st.text(max_size=20), numbers).map(
    lambda each: f'{{"id": {each[0]}, "text": {json.dumps(each[1])}, "amount": {each[2]}}}'
)
lines = st.one_of(
    good.map(lambda line: line.encode("utf-8", "surrogatepass")),
    objects().map(lambda line: line.encode("utf-8", "surrogatepass")),
    values.map(lambda line: line.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [b"", b" ", b"\r", b"\xff", b'{"text": "\xc3"}', b"{}", b'{"id": "x"} {}', b'{"id":"a","text":"b"},']
    ),
    st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")),
)
files = st.builds(
    lambda mark, found, end, last: mark + end.join(found) + last,
    st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
    st.lists(lines, max_size=12),
    st.sampled_from([b"\n", b"\r\n"]),
    st.sampled_from([b"", b"\n", b"\r\n"]),
)
limits = st.tuples(st.sampled_from([1, 3, 100]), st.sampled_from([1, 60, 10_000]), st.sampled_from([4, 50, 1 << 20]))


@settings(max_examples=some_examples(6))
@given(files, st.sampled_from(["id", None]), st.booleans(), limits)
@example(b'{"id":"a","text":"' + b"x" * 3_000 + b'"}\n{"id":"b","text":"y"}', "id", False, (100, 10_000, 50))
def test_fast_reading_gives_what_slow_reading_gives(
    data: bytes, name: str | None, keeps: bool, bound: tuple[int, int, int]
) -> None:
    keep = KEEP if keeps else []
    with (
        tempfile.TemporaryDirectory() as directory,
        patch.object(bounds, "BATCH_ROWS", bound[0]),
        patch.object(bounds, "BATCH_BYTES", bound[1]),
        patch.object(streams, "BUFFER_BYTES", bound[2]),
    ):
        path = Path(directory) / "a.jsonl"
        path.write_bytes(data)
        config = parse_config({"corpus": {"files": [str(path)], "id": name, "keep": keep}}).corpus
        batches = list(read_corpus([path], config, scratch=Path(directory), max_chars=10**6))
    assert all(each.records.height + each.rejected.height <= bound[0] for each in batches)
    check(
        data, name, keep, pl.concat([each.records for each in batches]), pl.concat([each.rejected for each in batches])
    )
    expected = [record for record in old_reader.read(data, "text", name, keep) if isinstance(record, old_reader.Record)]
    for place, column in enumerate(keep):
        kinds = {record.kinds[place] for record in expected} - {None}
        assert frozenset().union(*(each.kinds[column] for each in batches)) == kinds


def check(data: bytes, name: str | None, keep: list[str], records: pl.DataFrame, rejected: pl.DataFrame) -> None:
    """Compare tables with what the old reader gives; the first of records with one id is kept."""
    seen: set[str] = set()
    rows: list[tuple[object, ...]] = []
    refused: list[tuple[object, ...]] = []
    for each in old_reader.read(data, "text", name, keep):
        if isinstance(each, old_reader.Rejected):
            refused.append((each.row, each.offset, each.reason, each.raw))
        elif each.id is not None and each.id in seen:
            refused.append((each.row, each.offset, None, None))
        else:
            seen.add(str(each.id))
            rows.append((each.row, each.id or f"a.jsonl:{each.row}", each.text, *each.kept))
    assert records.select("row", "id", "text", *keep).rows() == rows
    assert rejected.columns == list(REJECTED)
    found = rejected.select("row", "byte_offset", "reason", "raw").rows()
    for (*place, reason, raw), (*expected_place, why, shown) in zip(found, refused, strict=True):
        assert place == expected_place
        assert (reason, raw) == (why, shown) or (why is None and reason.startswith("duplicate id '"))
