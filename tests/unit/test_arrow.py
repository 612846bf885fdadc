"""Arrow: files and streams, of Polars and of pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc
from shardner.config import parse_config
from shardner.corpus.check import check_files
from shardner.corpus.read import read_corpus
from shardner.corpus.samples import settings_of_heads, take_heads
from shardner.errors import CorpusError

CORPUS = parse_config({"corpus": {"keep": ["tags", "kind"]}}).corpus
ROWS = 50
TABLE = pa.table(
    {
        "id": [f"k{number}" for number in range(ROWS)],
        "text": [f"Łódź {number} \U0001f600" * (number % 7) for number in range(ROWS)],
        "tags": [[number] * (number % 3) for number in range(ROWS)],
        "kind": pa.array(["a" if number % 2 else "b" for number in range(ROWS)]).dictionary_encode(),
    }
)


def write_arrow(path: Path, how: str) -> Path:
    if how == "polars":
        pl.from_arrow(TABLE).write_ipc(path)
    elif how == "polars stream":
        pl.from_arrow(TABLE).write_ipc_stream(path)
    else:
        kind, _, compression = how.partition(" ")
        options = ipc.IpcWriteOptions(compression=compression or None)
        new = ipc.new_file if kind == "file" else ipc.new_stream
        with new(str(path), TABLE.schema, options=options) as writer:
            writer.write_table(TABLE, max_chunksize=8)
    return path


HOWS = ["polars", "polars stream", "file", "file zstd", "file lz4", "stream", "stream zstd"]


def read(path: Path, **changes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    batches = list(read_corpus([path], CORPUS, scratch=path.parent, max_chars=1_000))
    return pl.concat([batch.records for batch in batches]), pl.concat([batch.rejected for batch in batches])


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ["a.arrow", "a.feather", "data-00000-of-00001"])
def test_files_and_streams_are_read(tmp_path: Path, how: str, name: str) -> None:
    path = write_arrow(tmp_path / name, how)
    (look,) = check_files([path], CORPUS)
    assert look.read_as == "Arrow"
    records, rejected = read(path)
    assert rejected.is_empty()
    expected = pl.from_arrow(TABLE)
    assert isinstance(expected, pl.DataFrame)
    assert records.select("id", "text", "tags").equals(expected.select("id", "text", "tags"))
    assert records["kind"].cast(pl.String).equals(expected["kind"].cast(pl.String))
    assert records["row"].to_list() == list(range(ROWS))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("chars", [1, 600, 1 << 20])
def test_a_head_is_the_first_rows(tmp_path: Path, how: str, chars: int) -> None:
    path = write_arrow(tmp_path / "a.arrow", how)
    (head,) = take_heads([(path, path.stat().st_size)], CORPUS, chars, tmp_path)
    texts = [
        text
        for batch in read_corpus([head.path], settings_of_heads(CORPUS), scratch=tmp_path, max_chars=1_000)
        for text in batch.records["text"]
    ]
    assert texts == TABLE["text"].to_pylist()[: len(texts)] and texts
    assert 0 < head.bytes <= path.stat().st_size


@pytest.mark.parametrize("how", HOWS)
def test_a_file_that_is_cut_or_damaged_is_an_error(tmp_path: Path, how: str) -> None:
    data = write_arrow(tmp_path / "a.arrow", how).read_bytes()
    path = tmp_path / "cut.arrow"
    for length in sorted({0, 3, 6, 9, 17, len(data) // 3, len(data) // 2}):
        path.write_bytes(data[:length])
        with pytest.raises(CorpusError, match="damaged, or not the Arrow file"):
            read(path)
    for start in range(0, len(data), 97):  # whatever is damaged, nothing but our error comes of it
        path.write_bytes(data[:start] + bytes(8) + data[start + 8 :])
        try:
            read(path)
        except CorpusError as error:
            assert str(path) in str(error)


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    empty = pl.DataFrame(schema={"id": pl.String, "text": pl.String, "tags": pl.List(pl.Int64), "kind": pl.String})
    empty.write_ipc(tmp_path / "a.arrow")
    empty.write_ipc_stream(tmp_path / "b.arrow")
    with ipc.new_file(str(tmp_path / "c.arrow"), TABLE.schema):
        pass
    with ipc.new_stream(str(tmp_path / "d.arrow"), TABLE.schema):
        pass
    for name in "abcd":
        assert read(tmp_path / f"{name}.arrow")[0].is_empty()


def test_the_first_version_of_feather_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(100) + b"FEA1")
    with pytest.raises(CorpusError, match="the first version of Feather"):
        check_files([tmp_path / "a.feather"], parse_config({}).corpus)
