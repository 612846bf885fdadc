"""A file that is read in stretches gives what the file gives, however it is divided."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from shardner.config import CorpusConfig, parse_config
from shardner.corpus import batch as bounds
from shardner.corpus import parquet, streams
from shardner.corpus.batch import Batch, Extent
from shardner.corpus.files import detect_format
from shardner.corpus.parquet_footer import read_row_groups
from shardner.corpus.read import duplicate_reason, end_of, raws_of, read_corpus, read_sources

BOM = b"\xef\xbb\xbf"
PIECES = [
    b'{"id": "a", "text": "one"}',
    b'{"id": "b", "text": "t\xc3\xa4wo \xf0\x9f\x98\x80"}',
    b'{"id": 3}',
    b"{",
    b"",
    b" \t",
    b"\r",
    b"\xc2\x85",
    b"\xff",
    b'{"id": "long", "text": "' + b"x" * 50 + b'"}',
]

contents = st.builds(
    lambda mark, lines, ends: mark + b"".join(line + end for line, end in zip(lines, ends, strict=True)),
    st.sampled_from([b"", BOM, BOM + b"\n", BOM[:2]]),
    st.shared(st.lists(st.sampled_from(PIECES), max_size=8), key="lines"),
    st.shared(st.lists(st.sampled_from(PIECES), max_size=8), key="lines").flatmap(
        lambda lines: st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=len(lines), max_size=len(lines))
    ),
).flatmap(lambda data: st.sampled_from([data, data.removesuffix(b"\n")]))
limits = st.tuples(st.integers(1, 5), st.integers(1, 60), st.integers(1, 7))


def settings(**changes: Any) -> CorpusConfig:
    return replace(parse_config({}).corpus, **{"files": (), "id": None, **changes})


@contextmanager
def bounded(rows: int, size: int, buffer: int) -> Iterator[Path]:
    """Make batches and buffers small, and give a directory."""
    with (
        tempfile.TemporaryDirectory() as directory,
        patch.object(bounds, "BATCH_ROWS", rows),
        patch.object(bounds, "BATCH_BYTES", size),
        patch.object(parquet, "FIRST_ROWS", buffer),
        patch.object(streams, "BUFFER_BYTES", buffer),
    ):
        yield Path(directory)


def read_stretch(path: Path, start: int, stop: int | None, corpus: CorpusConfig) -> list[Batch]:
    source = replace(detect_format(path, corpus), start=start, stop=stop)
    return list(read_sources([source], corpus, scratch=path.parent, max_chars=500_000))


def check_division(path: Path, corpus: CorpusConfig, inner: list[int]) -> None:
    """Read a file in stretches, and compare all there is with the whole file."""
    whole = list(read_corpus([path], corpus, scratch=path.parent, max_chars=500_000))
    edges = [0, *sorted(inner), None]
    parts = [read_stretch(path, start, stop, corpus) for start, stop in itertools.pairwise(edges)]  # type: ignore[arg-type]
    before, records, rejected = 0, [], []
    for part in parts:
        shift = pl.col("row") + pl.lit(before, pl.UInt64)
        records += [batch.records.with_columns(shift) for batch in part]
        rejected += [batch.rejected.with_columns(shift) for batch in part]
        before += part[-1].extent.rows
    columns = ["file", "row", "text"] + (["id"] if corpus.id else [])
    assert pl.concat(records).select(columns).equals(pl.concat([batch.records for batch in whole]).select(columns))
    assert pl.concat(rejected).equals(pl.concat([batch.rejected for batch in whole]))
    check_extents([part[-1].extent for part in parts], whole[-1].extent)
    for batches in [whole, *parts]:
        check_growth(batches)
    if whole[-1].extent.rows:
        assert whole[-1].extent.end == end_of(detect_format(path, corpus))


def check_extents(parts: list[Extent], whole: Extent) -> None:
    """Extents of stretches that hold rows join to that of the file."""
    assert sum(part.rows for part in parts) == whole.rows
    assert all(part.begin == part.end for part in parts if not part.rows)
    with_rows = [part for part in parts if part.rows]
    assert all(left.end == right.begin for left, right in itertools.pairwise(with_rows))
    if with_rows:
        assert (with_rows[0].begin, with_rows[-1].end) == (whole.begin, whole.end)


def check_growth(batches: list[Batch]) -> None:
    """Each batch says what has been taken up to its last record."""
    for batch in batches:
        rows = [*batch.records["row"], *batch.rejected["row"]]
        assert all(row < batch.extent.rows for row in rows)
    extents = [batch.extent for batch in batches]
    assert all(left.end <= right.end and left.rows <= right.rows for left, right in itertools.pairwise(extents))


@given(contents, st.lists(st.integers(0, 200), max_size=5), limits, st.sampled_from(["a.jsonl", "a.txt"]))
def test_stretches_of_lines_join_to_the_file(data, edges, bound, name) -> None:
    with bounded(*bound) as directory:
        path = directory / name
        path.write_bytes(data)
        check_division(path, settings(), edges)


@given(contents, limits)
def test_stretches_of_one_byte_join_to_the_file(data, bound) -> None:
    with bounded(*bound) as directory:
        path = directory / "a.jsonl"
        path.write_bytes(data)
        check_division(path, settings(), list(range(1, len(data) + 2)))


@given(st.integers(0, 30), st.integers(1, 7), st.lists(st.integers(0, 3000), max_size=6), limits)
def test_stretches_of_parquet_join_to_the_file(rows, group, edges, bound) -> None:
    with bounded(*bound) as directory:
        path = directory / "a.parquet"
        texts = [None if row % 7 == 5 else f"text {row}" for row in range(rows)]
        frame = pl.DataFrame({"id": [str(row) for row in range(rows)], "text": pl.Series(texts, dtype=pl.String)})
        frame.cast(pl.String).write_parquet(path, row_group_size=group)
        starts = [each.start for each in read_row_groups(path)]
        check_division(path, settings(id="id"), edges)
        check_division(path, settings(), [*starts[1:], *(start - 1 for start in starts)])


@given(contents, st.integers(0, 100), st.integers(0, 100), limits)
def test_a_record_can_be_shown_as_the_duplicate_that_it_is_in_the_whole_file(data, start, length, bound) -> None:
    with bounded(*bound) as directory:
        path = directory / "a.jsonl"
        path.write_bytes(data)
        (whole,) = [
            pl.concat(
                [each.rejected for each in read_corpus([path], settings(id="id"), scratch=directory, max_chars=1)]
            )
        ]
        source = replace(detect_format(path, settings()), start=start, stop=start + length)
        batches = read_stretch(path, start, start + length, settings(id="id"))
        records = pl.concat([batch.records for batch in batches])
        shown = raws_of(source, [(row, None) for row in records["row"]], settings(id="id"), max_chars=1)
        assert [row for row, *_ in shown] == records["row"].to_list()
        known = {at: (reason, raw) for at, reason, raw in whole.select("byte_offset", "reason", "raw").iter_rows()}
        for (_, found, at, raw), identifier in zip(shown, records["id"], strict=True):
            assert found == identifier and at is not None and data[at:].startswith(b"{")
            assert known.get(at, (duplicate_reason(identifier), raw)) == (duplicate_reason(identifier), raw)
