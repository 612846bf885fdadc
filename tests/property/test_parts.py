"""Promise 1 and 3: into whatever parts a corpus is cut, the tables are those of the corpus read in one go."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import Run, run
from making import WORDS, annotate_plainly, entity_rows, make_pipeline, some_examples
from shardner.config import parse_config
from shardner.corpus.read import read_corpus
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.part_plan import FILE_CHARS
from shardner.parse.pipeline_source import classify
from shardner.parse.shard_plan import PlanSizes
from shardner.stages.document_rows import read_texts

#: What a record of JSON lines may be: one with an id and a text, or bytes that are none.
BAD = [b"", b" ", b"{", b'{"id": 1}', b"\xff\xfe", b'{"text": "no id"}', b'["a"]', "{\u00e9}".encode()]
ONE_PART = PlanSizes(10**9, 10**10)

words = st.lists(st.sampled_from([*WORDS, "Zoë", "北京", "\U0001f600"]), max_size=12).map(" ".join)
#: Ids come again, within a file and in other files.
ids = st.integers(0, 60).map(str)
records = st.one_of(st.tuples(ids, words), st.tuples(ids, words), st.sampled_from(BAD))
small = st.sampled_from([60, 300, 1_000, 4_000])


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    directory = make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto")


@st.composite
def contents(draw: st.DrawFn) -> tuple[str, bytes]:
    """Choose a suffix, and what a file of that name holds."""
    suffix = draw(st.sampled_from([".jsonl", ".jsonl", ".jsonl", ".txt", ".parquet", ".csv", ".jsonl.gz"]))
    found = draw(st.lists(records, max_size=30))
    good = [record for record in found if isinstance(record, tuple)]
    if suffix == ".parquet":
        table = pl.DataFrame(good, schema={"id": pl.String, "text": pl.String}, orient="row")
        buffer = io.BytesIO()
        table.write_parquet(buffer, row_group_size=draw(st.integers(1, 7)))
        return suffix, buffer.getvalue()
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    if suffix == ".csv":
        rows = io.StringIO()
        csv.writer(rows, lineterminator=end.decode()).writerows([("id", "text"), *good])
        return suffix, rows.getvalue().encode()
    lines = [
        json.dumps({"id": record[0], "text": record[1]}, ensure_ascii=draw(st.booleans())).encode()
        if isinstance(record, tuple)
        else record
        for record in found
    ]
    if suffix == ".txt":
        lines = [record[1].encode() if isinstance(record, tuple) else record for record in found]
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + end.join(lines) + draw(st.sampled_from([b"", end]))
    return suffix, gzip.compress(data) if suffix.endswith(".gz") else data


corpora = st.lists(st.tuples(st.integers(0, 99), contents()), min_size=1, max_size=6, unique_by=lambda each: each[0])


def write(directory: Path, corpus: Sequence[tuple[int, tuple[str, bytes]]]) -> list[Path]:
    paths = []
    for number, (suffix, data) in corpus:
        # some names occur in two directories, so that ids cannot be made of them alone
        path = directory / f"d{number % 3}" / f"{number // 3}{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    return paths


def expected(files: Sequence[Path], directory: Path, corpus: dict[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the documents and the rejected records of files that are read one after the other."""
    config = parse_config({"corpus": {"files": [str(path) for path in files], **corpus}})
    batches = list(read_corpus(files, config.corpus, scratch=directory, max_chars=config.max_chars))
    places = {str(path): place for place, path in enumerate(files)}
    rejected = pl.concat([batch.rejected for batch in batches])
    order = pl.col("file").replace_strict(places, return_dtype=pl.Int64)
    return pl.concat([batch.records for batch in batches]), rejected.sort(order, "row", maintain_order=True)


def check(done: Run, documents: pl.DataFrame, rejected: pl.DataFrame) -> None:
    table = pl.read_parquet(done.results.documents)
    assert table["doc"].to_list() == list(range(documents.height))
    assert table.select("id", "file", "row").rows() == documents.select("id", "file", "row").rows()
    assert pl.read_parquet(done.results.rejected).rows() == rejected.rows()
    assert (done.manifest.documents, done.manifest.rejected) == (documents.height, rejected.height)
    assert sum(file.documents for file in done.manifest.files) == documents.height
    assert table["shard"].is_sorted() and table["shard"].max() in (None, *range(len(done.manifest.shards)))


@settings(max_examples=some_examples(0.6))
@given(corpus=corpora, size=small, by_row=st.sampled_from(["id", "id", None]))
def test_any_parts_give_what_one_reading_gives(
    pipeline: Pipeline, corpus: list[tuple[int, tuple[str, bytes]]], size: int, by_row: str | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        files, setting = write(directory, corpus), {"id": by_row}
        documents, rejected = expected(files, directory, setting)
        entities = [
            (doc, start, end, text, label)
            for doc, start, end, text, label in annotate_plainly(Path(pipeline.location), documents["text"].to_list())
        ]
        for number, sizes in enumerate([ONE_PART, PlanSizes(size, 2 * size), PlanSizes(FILE_CHARS + size, 2 * size)]):
            (directory / str(number)).mkdir()
            done = run(directory / str(number), files, pipeline, sizes, corpus=setting)
            check(done, documents, rejected)
            assert entity_rows(done.results.entities) == entities
            names = dict(zip(range(documents.height), documents["id"], strict=True))
            found = pl.read_parquet(done.results.entities, columns=["doc", "id"])
            assert found["id"].to_list() == [names[doc] for doc in found["doc"]]
            texts = {}
            for shard in range(len(done.manifest.shards)):
                table = pl.read_parquet(done.results.documents).filter(pl.col("shard") == shard)
                windows = dict(table.select("doc", "windows").iter_rows())
                texts.update(read_texts(done.texts, shard, windows, VerifyError))
            assert [texts[doc] for doc in range(documents.height)] == documents["text"].to_list()
