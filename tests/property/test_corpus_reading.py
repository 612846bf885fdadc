"""Whatever a file holds comes out of it exactly and in order, and nothing is lost when parts of it are broken."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from making import compressors
from shardner.config import CorpusConfig, Quoting, Unit, parse_config
from shardner.corpus import batch as bounds
from shardner.corpus import decompression, parquet, streams
from shardner.corpus.check import check_files
from shardner.corpus.read import read_corpus

BOM = "\ufeff"
AWKWARD = [
    "\n",
    "\r",
    "\r\n",
    '"',
    ",",
    "\t",
    "\\",
    "\x00",
    "\x85",
    "\u2028",
    "\x0c",
    BOM,
    "\U0001f600",
    "e\u0301",
    " ",
]

characters = st.characters(exclude_categories=["Cs"])
texts = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(characters, max_size=8)), max_size=8).map("".join)
ids = st.text(characters, min_size=1, max_size=6)
records = st.lists(st.tuples(ids, texts), max_size=12, unique_by=lambda record: record[0])
terminators = st.sampled_from(["\n", "\r\n"])


@st.composite
def compressions(draw: st.DrawFn) -> tuple[str, Callable[[bytes], bytes]]:
    """Choose a compression, and where its members or frames end."""
    suffix, compress = draw(st.sampled_from(list(compressors().items())))
    cuts = draw(st.lists(st.floats(0, 1), max_size=2))

    def members(data: bytes) -> bytes:
        edges = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
        return b"".join(compress(data[start:stop]) for start, stop in itertools.pairwise(edges))

    return suffix, members


limits = st.tuples(st.integers(1, 20), st.integers(1, 200), st.integers(2, 5))


@contextmanager
def bounded(rows: int, size: int, buffer: int) -> Iterator[Path]:
    """Make batches and buffers small, and give a directory."""
    with (
        tempfile.TemporaryDirectory() as directory,
        patch.object(bounds, "BATCH_ROWS", rows),
        patch.object(bounds, "BATCH_BYTES", size),
        patch.object(parquet, "FIRST_ROWS", buffer),
        patch.object(streams, "BUFFER_BYTES", buffer),
        patch.object(decompression, "_OUTPUT_BYTES", buffer),
        patch.object(decompression, "_INPUT_BYTES", buffer * 5),
        patch.object(decompression, "_ZSTD_INPUT", buffer * 5),
    ):
        yield Path(directory)


def settings(**changes: Any) -> CorpusConfig:
    return replace(parse_config({}).corpus, files=(), **changes)


def read(path: Path, bound: tuple[int, int, int], corpus: CorpusConfig) -> tuple[pl.DataFrame, pl.DataFrame]:
    batches = list(read_corpus([path], corpus, scratch=path.parent, max_chars=500_000))
    for batch in batches:
        assert batch.records.height + batch.rejected.height <= bound[0]
        assert batch.records["text"].str.len_bytes().head(max(0, batch.records.height - 1)).sum() < bound[1]
    return pl.concat([batch.records for batch in batches]), pl.concat([batch.rejected for batch in batches])


def same(path: Path, bound: tuple[int, int, int], corpus: CorpusConfig, expected: list[tuple[str, str]]) -> None:
    if expected:
        check_files([path], corpus)
    found, rejected = read(path, bound, corpus)
    assert rejected.height == 0
    assert found.select("id", "text").rows() == expected


@given(records, terminators, st.data(), compressions(), limits)
def test_json_lines_come_back_exactly(written, end, data, compression, bound) -> None:
    suffix, compress = compression
    lines = []
    for identifier, text in written:
        lines += data.draw(st.lists(st.sampled_from(["", " ", "\t"]), max_size=1))
        line = json.dumps({"id": identifier, "text": text, "x": 1}, ensure_ascii=data.draw(st.booleans()))
        lines.append(data.draw(st.sampled_from(["", " "])) + line)
    content = data.draw(st.sampled_from(["", BOM])) + end.join(lines) + data.draw(st.sampled_from(["", end]))
    with bounded(*bound) as directory:
        path = directory / f"a.jsonl{suffix}"
        path.write_bytes(compress(content.encode()))
        same(path, bound, settings(), written)


@given(records, terminators, st.sampled_from([("csv", ","), ("tsv", "\t")]), st.data(), compressions(), limits)
def test_delimited_records_come_back_exactly(written, end, kind, data, compression, bound) -> None:
    name, mark = kind
    suffix, compress = compression

    def quoted(field: str) -> str:
        if any(each in field for each in ('"', mark, "\r", "\n")) or data.draw(st.booleans()):
            return '"' + field.replace('"', '""') + '"'
        return field

    lines = [mark.join(map(quoted, record)) for record in [("id", "text"), *written]]
    if data.draw(st.booleans()):
        lines.insert(data.draw(st.integers(0, len(lines))), "")
    content = data.draw(st.sampled_from(["", BOM])) + end.join(lines) + data.draw(st.sampled_from(["", end]))
    with bounded(*bound) as directory:
        path = directory / f"a.{name}{suffix}"
        path.write_bytes(compress(content.encode()))
        same(path, bound, settings(quoting=Quoting.STANDARD), written)


@given(records, terminators, st.sampled_from([",", ";", "\t", "|", "~"]), st.booleans(), limits)
def test_records_with_backslashes_before_their_quotes_come_back_exactly(written, end, mark, named, bound) -> None:
    """As Spark writes them: every field is quoted, and a backslash stands before a quotation mark and a backslash."""

    def quoted(field: str) -> str:
        return '"' + field.replace("\\", "\\\\").replace('"', '\\"') + '"'

    content = end.join(mark.join(map(quoted, record)) for record in [("id", "text"), *written])
    with bounded(*bound) as directory:
        path = directory / "a.csv"
        path.write_bytes(f"sep={mark}{end}{content}".encode() if named else content.encode())
        corpus = settings(quoting=Quoting.BACKSLASH, delimiter="auto" if named or mark != "~" else mark)
        same(path, bound, corpus, written)


fields = texts.map(lambda text: "".join(each for each in text if each not in "\t\r\n\x00"))


@given(
    st.lists(st.tuples(fields.filter(bool), fields), max_size=12, unique_by=lambda pair: pair[0]), terminators, limits
)
def test_fields_of_tsv_keep_their_quotes(written, end, bound) -> None:
    content = end.join("\t".join(record) for record in [("id", "text"), *written])
    with bounded(*bound) as directory:
        path = directory / "a.tsv"
        path.write_bytes(content.encode())
        found, rejected = read(path, bound, settings())
    assert rejected.height == 0 and found.select("id", "text").rows() == written


lines_of_text = texts.map(lambda text: text.replace("\n", "").rstrip("\r"))


@given(st.lists(lines_of_text, max_size=12), terminators, st.booleans(), compressions(), limits)
def test_lines_of_text_come_back_exactly(written, end, mark, compression, bound) -> None:
    suffix, compress = compression
    mark = mark or (written and written[0].startswith(BOM))
    content = BOM * bool(mark) + "".join(line + end for line in written)
    with bounded(*bound) as directory:
        path = directory / f"a.txt{suffix}"
        path.write_bytes(compress(content.encode()))
        same(path, bound, settings(id=None), [(f"{path.name}:{row}", text) for row, text in enumerate(written)])


@given(texts, st.booleans(), compressions(), limits)
def test_a_whole_text_comes_back_exactly(written, mark, compression, bound) -> None:
    suffix, compress = compression
    with bounded(*bound) as directory:
        path = directory / f"a.txt{suffix}"
        path.write_bytes(compress((BOM * (mark or written.startswith(BOM)) + written).encode()))
        same(path, bound, settings(id=None, unit=Unit.FILE), [(f"{path.name}:0", written)])


@given(records, st.integers(1, 10), limits)
def test_parquet_comes_back_exactly(written, group, bound) -> None:
    with bounded(*bound) as directory:
        path = directory / "a.parquet"
        frame = pl.DataFrame(written, schema={"id": pl.String, "text": pl.String}, orient="row")
        frame.write_parquet(path, row_group_size=group)
        same(path, bound, settings(), written)


spoiled = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(b"")),
    st.tuples(
        st.just("insert"), st.floats(0, 1), st.sampled_from([b"\xff", b'"', b"\\", b"{", b"\xed\xa0\x80", b"\\ud800"])
    ),
)


@given(records, st.lists(st.tuples(st.floats(0, 1), spoiled), max_size=4), limits)
def test_spoiled_json_lines_are_a_document_or_a_rejection_each(written, damage, bound) -> None:
    lines = [json.dumps({"id": identifier, "text": text}).encode() for identifier, text in written]
    for where, (how, at, what) in damage if lines else []:
        number = min(int(where * len(lines)), len(lines) - 1)
        cut = int(at * len(lines[number]))
        lines[number] = lines[number][:cut] + what + (b"" if how == "cut" else lines[number][cut:])
    with bounded(*bound) as directory:
        path = directory / "a.jsonl"
        path.write_bytes(b"\n".join(lines))
        found, rejected = read(path, bound, settings())
    rows = sorted(found["row"].to_list() + rejected["row"].to_list())
    assert rows == [row for row, line in enumerate(lines) if line.strip()]
    original = {json.dumps({"id": each, "text": text}).encode(): (each, text) for each, text in written}
    intact = {row: original[line] for row, line in enumerate(lines) if line in original}
    came = {row: (identifier, text) for row, identifier, text in found.select("row", "id", "text").rows()}
    taken = {identifier for _, (identifier, _) in came.items()}
    for row, record in intact.items():  # a spoiled line may have become a record with an intact one's id
        assert came.get(row) == record or record[0] in taken


plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\r\n"'), max_size=8)
bad_lines = st.sampled_from(
    [b"", b"\r", b'bad,"open', b'"bad"x,y', b"bad", b"bad,x,y", b"bad,\xff\xfe", b"a\rb,c", b",no id"]
)


@given(st.lists(plain, max_size=10), st.lists(st.tuples(st.floats(0, 1), bad_lines), max_size=5), limits)
def test_bad_lines_of_csv_cost_nothing_but_themselves(written, damage, bound) -> None:
    lines = [f"{number},{text.replace(',', ';')}".encode() for number, text in enumerate(written)]
    good = list(lines)
    for where, line in damage:
        lines.insert(int(where * len(lines)), line)
    with bounded(*bound) as directory:
        path = directory / "a.csv"
        path.write_bytes(b"id,text\n" + b"".join(line + b"\n" for line in lines))
        found, rejected = read(path, bound, settings())
    assert [f"{identifier},{text}".encode() for identifier, text in found.select("id", "text").rows()] == good
    assert rejected.height == sum(1 for _, line in damage if line.strip())


csv_bytes = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r\n", b"\r", b"a", b"\xff", b"\xc3", b" ", b"\x00"]), max_size=60
)


@given(csv_bytes, limits)
def test_any_bytes_of_csv_are_read_to_the_end_without_gaps(content, bound) -> None:
    data = b"id,text\n" + b"".join(content)
    with bounded(*bound) as directory:
        path = directory / "a.csv"
        path.write_bytes(data)
        found, rejected = read(path, bound, settings(id=None, text="text"))
    rows = sorted(found["row"].to_list() + rejected["row"].to_list())
    assert rows == list(range(len(rows)))
    if data.rsplit(b"\n", 1)[1].strip(b"\r"):  # the last line is, or ends, a record
        assert rows


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=10), limits)
def test_any_bytes_of_text_are_a_document_or_a_rejection_a_line(lines, bound) -> None:
    with bounded(*bound) as directory:
        path = directory / "a.txt"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        found, rejected = read(path, bound, settings(id=None))
    assert sorted(found["row"].to_list() + rejected["row"].to_list()) == list(range(len(lines)))
