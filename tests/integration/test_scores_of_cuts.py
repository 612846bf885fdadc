"""The score of an entity is the same to the last bit, however the corpus is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import spacy
from in_process import run
from making import LABELS, make_texts, ner_model, randomise, write_jsonl
from shardner.engine.products import SteadyProduct
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify

TEXTS = [*make_texts(120, seed=11), " ".join(make_texts(150, seed=12)), *make_texts(20, seed=13)]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline of random weights as wide as spaCy's small ones: their products have several tiles."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner", config={"model": ner_model(width=96, depth=4)})
    for label in LABELS:
        nlp.get_pipe("ner").add_label(label)
    nlp.initialize()
    randomise(nlp.get_pipe("ner").model, 4)
    directory = tmp_path_factory.mktemp("model")
    nlp.to_disk(directory / "pipeline")
    return prepare_pipeline(classify(str(directory / "pipeline")), None, directory / "unpacked", "auto")


def scores(directory: Path, pipeline: Pipeline, shards: int, engine: str, max_chars: int = 500_000) -> pl.DataFrame:
    directory.mkdir()
    corpus = write_jsonl(directory / "corpus.jsonl", TEXTS)
    done = run(
        directory, corpus, pipeline, shards,
        windows={"max_chars": max_chars}, output={"attributes": ["score"]}, ner={"engine": engine},
    )  # fmt: skip
    return pl.read_parquet(done.results.entities)


@pytest.mark.parametrize("engine", ["fused", "spacy"])
def test_scores_are_the_same_for_every_number_of_shards(pipeline: Pipeline, tmp_path: Path, engine: str) -> None:
    one = scores(tmp_path / "1", pipeline, 1, engine)
    assert one["score"].n_unique() > 100
    for shards in (3, 7):
        assert scores(tmp_path / str(shards), pipeline, shards, engine).equals(one)


def test_scores_are_the_same_for_windows(pipeline: Pipeline, tmp_path: Path) -> None:
    whole = scores(tmp_path / "whole", pipeline, 1, "fused")
    for max_chars in (2_000, 700):
        assert scores(tmp_path / str(max_chars), pipeline, 3, "fused", max_chars).equals(whole)


def test_plain_products_would_differ() -> None:
    """What is tried here is needed: the libraries' own products depend on the place of a row."""
    drawn = np.random.default_rng(0)
    weights, rows = (drawn.standard_normal(shape).astype("f") for shape in ((64, 20), (900, 64)))
    plain, steady = rows @ weights, SteadyProduct(weights)
    assert all(np.array_equal(steady(rows[at : at + 100]), steady(rows)[at : at + 100]) for at in range(100))
    if all(np.array_equal(rows[at : at + 100] @ weights, plain[at : at + 100]) for at in range(100)):
        pytest.skip("the library's own products are steady on this processor")
