"""Whatever writes a corpus, the same documents come out of it: every writer that is at hand, and how others write."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import compressors
from shardner.config import CorpusConfig, parse_config
from shardner.corpus.check import check_files, check_records
from shardner.corpus.patterns import expand_files
from shardner.corpus.read import read_corpus

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Writer:
    """Something that writes a corpus.

    Attributes:
        suffix: of the file, before that of a compression.
        write: returns what the file holds.
        settings: what has to be said to read it.
        packed: whether it may be compressed as a whole.
    """

    suffix: str
    write: Callable[[Rows], bytes]
    settings: tuple[tuple[str, object], ...] = ()
    packed: bool = True


def frame(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame({"id": [row[0] for row in rows], "text": [row[1] for row in rows]})


def nested(rows: Rows) -> list[dict[str, object]]:
    return [{"_id": {"$oid": name}, "_source": {"body": text, "n": number}} for number, (name, text) in enumerate(rows)]


def objects(rows: Rows) -> list[dict[str, str]]:
    return [{"id": name, "text": text} for name, text in rows]


def into(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def as_csv(rows: Rows, header: Sequence[str] = ("id", "text"), *, index: bool = False, **options: object) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, **options)  # type: ignore[arg-type]
    writer.writerow([*([""] if index else []), *header])
    writer.writerows([*([number] if index else []), *row] for number, row in enumerate(rows))
    return file.getvalue().encode()


def as_warc(rows: Rows) -> bytes:
    found = b""
    for name, text in rows:
        body = text.encode()
        head = ["WARC/1.0", "WARC-Type: conversion", f"WARC-Target-URI: {name}", f"Content-Length: {len(body)}"]
        found += "\r\n".join([*head, "", ""]).encode() + body + b"\r\n\r\n"
    return found


def by_arrow(write: Callable[[pa.Table, str], object]) -> Callable[[Rows], bytes]:
    def written(rows: Rows) -> bytes:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "a"
            write(frame(rows).to_arrow(), str(path))
            return path.read_bytes()

    return written


PATHS = (("text", "_source.body"), ("id", "_id.$oid"))
WRITERS = {
    "json lines": Writer(".jsonl", lambda rows: b"".join(json.dumps(row).encode() + b"\n" for row in objects(rows))),
    "orjson": Writer(".ndjson", lambda rows: b"\n".join(map(orjson.dumps, objects(rows)))),
    "json.dump": Writer(".json", lambda rows: json.dumps(objects(rows), ensure_ascii=False).encode()),
    "json.dump with an indent": Writer(".json", lambda rows: json.dumps(objects(rows), indent=2).encode()),
    "a document database": Writer(
        ".json", lambda rows: b"".join(orjson.dumps(row) + b"\n" for row in nested(rows)), PATHS
    ),
    "an array without a suffix": Writer("", lambda rows: orjson.dumps(objects(rows))),
    "json of UTF-16": Writer(
        ".json", lambda rows: json.dumps(objects(rows), ensure_ascii=False).encode("utf-16"), (("encoding", "utf-16"),)
    ),
    "Polars, JSON lines": Writer(".jsonl", lambda rows: into(frame(rows).write_ndjson)),
    "Polars, CSV": Writer(".csv", lambda rows: into(frame(rows).write_csv)),
    "Polars, Parquet": Writer(".parquet", lambda rows: into(frame(rows).write_parquet), packed=False),
    "Polars, structs": Writer(
        ".parquet", lambda rows: into(pl.DataFrame(nested(rows)).write_parquet), PATHS, packed=False
    ),
    "Polars, Arrow": Writer(".arrow", lambda rows: into(frame(rows).write_ipc), packed=False),
    "Polars, a stream of Arrow": Writer(".arrow", lambda rows: into(frame(rows).write_ipc_stream), packed=False),
    "pyarrow, CSV": Writer(".csv", lambda rows: into(lambda file: pyarrow.csv.write_csv(frame(rows).to_arrow(), file))),
    "pyarrow, Parquet": Writer(".parquet", by_arrow(pyarrow.parquet.write_table), packed=False),
    "pyarrow, Feather": Writer(".feather", by_arrow(pyarrow.feather.write_feather), packed=False),
    # pandas, whose own default leaves a carriage return outside of quotes, where it is a line break to a reader
    "pandas, CSV": Writer(
        ".csv", lambda rows: as_csv(rows, index=True, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    ),
    "Excel, CSV": Writer(".csv", lambda rows: b"\xef\xbb\xbf" + as_csv(rows, delimiter=";")),
    "Spark, CSV": Writer(
        ".csv",
        lambda rows: as_csv(rows, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL, lineterminator="\n"),
        (("quoting", "backslash"),),
    ),
    "a database, bars": Writer(".txt", lambda rows: as_csv(rows, delimiter="|"), (("format", "csv"),)),
    "a quoted TSV": Writer(".tsv", lambda rows: as_csv(rows, delimiter="\t", quoting=csv.QUOTE_ALL)),
    "a crawl": Writer(".warc.wet", as_warc),
}

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
texts = st.lists(
    st.one_of(words, st.sampled_from(['"', '""', "\\", '\\"', ",", ";", "\t", "|", "\n", "\r\n", "\r", "'"]))
)
names = st.from_regex(r"[A-Za-z0-9_:/.-]{1,12}", fullmatch=True)
rows = st.lists(st.tuples(names, texts.map("".join)), min_size=1, max_size=8, unique_by=lambda row: row[0])


def read(path: Path, settings: CorpusConfig) -> tuple[list[tuple[str, str]], list[str]]:
    files = expand_files(settings)
    check_files(files, settings)
    check_records([(each, each.stat().st_size) for each in files], settings)
    batches = list(read_corpus(files, settings, scratch=path.parent, max_chars=1_000))
    reasons = [reason for batch in batches for reason in batch.rejected["reason"]]
    return [row for batch in batches for row in batch.records.select("id", "text").rows()], reasons


@pytest.mark.parametrize("name", WRITERS)
@given(rows=rows, data=st.data())
def test_what_a_writer_wrote_is_read(name: str, rows: Rows, data: st.DataObject) -> None:
    writer = WRITERS[name]
    suffix, compress = data.draw(st.sampled_from(list(compressors().items()))) if writer.packed else ("", bytes)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"corpus{writer.suffix}{suffix}"
        path.write_bytes(compress(writer.write(rows)))
        settings = parse_config({"corpus": {"files": [str(path)], **dict(writer.settings)}}).corpus
        assert read(path, settings) == (list(rows), [])
