"""Promise 1: no shard border, batch, block, or number of workers changes an entity."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import run
from making import WORDS, annotate_plainly, entity_rows, make_pipeline, some_examples, write_jsonl
from shardner.annotate.sizes import Sizes
from shardner.config import parse_config
from shardner.corpus.files import detect_format
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify
from shardner.stages.split import PartFiles, split_part

texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), max_size=40).flatmap(
    # some come again, as transaction records do
    lambda found: (
        st.lists(st.sampled_from(found), max_size=10).map(lambda again: found + again) if found else st.just([])
    )
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    directory = make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto")


@settings(max_examples=some_examples(0.25))
@given(texts=texts, block_chars=st.sampled_from([1, 50, 1 << 19]), batch=st.sampled_from([1, 20, 8_000]))
def test_any_number_of_shards_gives_what_one_process_gives(
    pipeline: Pipeline, texts: list[str], block_chars: int, batch: int
) -> None:
    expected = annotate_plainly(Path(pipeline.location), texts)
    sizes, ner = Sizes(block_chars=block_chars), {"batch_tokens": batch}
    with tempfile.TemporaryDirectory() as name:
        corpus = write_jsonl(Path(name) / "corpus.jsonl", texts)
        documents = None
        for count in (1, 2, 7, 50):
            directory = Path(name) / str(count)
            directory.mkdir()
            manifest, results, *_ = run(directory, corpus, pipeline, count, sizes=sizes, ner=ner)
            assert entity_rows(results.entities) == expected
            table = pl.read_parquet(results.documents)
            assert table["doc"].to_list() == list(range(len(texts)))
            assert table["id"].to_list() == [f"d{i}" for i in range(len(texts))]
            assert table["shard"].is_sorted() and manifest.documents == len(texts)
            assert documents is None or table.drop("shard").equals(documents)
            documents = table.drop("shard")


@given(sizes=st.lists(st.integers(0, 400), min_size=1, max_size=200), count=st.integers(1, 12))
def test_shards_are_balanced_to_within_the_longest_document(sizes: list[int], count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        corpus = write_jsonl(directory / "corpus.jsonl", ["x" * size for size in sizes])
        shards = [directory / f"{shard}.parquet" for shard in range(count)]
        config = parse_config({"corpus": {"files": [str(corpus)]}})
        files = PartFiles(shards, *(directory / name for name in "rdm"))
        manifest = split_part("part", [detect_format(corpus, config.corpus)], config.corpus, files, config.max_chars)
        share = sum(size + 1 for size in sizes) / count
        for info, path in zip(manifest.shards, shards, strict=True):
            table = pl.read_parquet(path)
            assert (info.windows, info.chars) == (table.height, table["chars"].sum())
            assert info.chars + info.windows <= share + max(sizes) + 1
        assert pl.concat([pl.read_parquet(path) for path in shards])["text"].str.len_chars().to_list() == sizes
