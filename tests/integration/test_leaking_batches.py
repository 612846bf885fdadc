"""Pipelines whose encoder lets the documents of a batch reach each other: the answer must not depend on the shards."""

from __future__ import annotations

from pathlib import Path

import in_process
import polars as pl
import pytest
import spacy
from making import LABELS, make_texts, ner_model, randomise, write_jsonl
from shardner.config import EngineChoice
from shardner.engine.loading import load_engine
from shardner.errors import ConfigError
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify
from shardner.stages.verify.findings import Findings
from shardner.stages.verify.shard import verify_shard

TEXTS = make_texts(40, seed=8, longest=12)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    nlp = spacy.blank("en")
    tok2vec = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": "spacy.MultiHashEmbed.v2", "width": 16, "attrs": ["NORM", "SHAPE"],
                  "rows": [100, 100], "include_static_vectors": False},
        "encode": {"@architectures": "spacy.MishWindowEncoder.v2", "width": 16, "window_size": 2, "depth": 2},
    }  # fmt: skip
    nlp.add_pipe("ner", config={"model": {**ner_model(width=16, depth=1), "tok2vec": tok2vec}})
    for label in LABELS:
        nlp.get_pipe("ner").add_label(label)
    nlp.initialize()
    randomise(nlp.get_pipe("ner").model, 5)
    directory = tmp_path_factory.mktemp("model")
    nlp.to_disk(directory / "pipeline")
    return prepare_pipeline(classify(str(directory / "pipeline")), None, directory / "unpacked", "auto")


def test_documents_are_annotated_one_at_a_time(pipeline: Pipeline, tmp_path: Path) -> None:
    nlp = spacy.load(pipeline.location)
    alone = [(i, e.start_char, e.end_char, e.label_) for i, text in enumerate(TEXTS) for e in nlp(text).ents]
    together = [(i, e.start_char, e.end_char, e.label_) for i, doc in enumerate(nlp.pipe(TEXTS)) for e in doc.ents]
    assert alone != together, "stock spaCy's answer depends on the batch: this is what the test is about"
    for shards in (1, 5):
        directory = tmp_path / str(shards)
        directory.mkdir()
        run = in_process.run(directory, write_jsonl(directory / "corpus.jsonl", TEXTS), pipeline, shards)
        table = pl.read_parquet(run.results.entities)
        assert table.select("doc", "start", "end", pl.col("label").cast(pl.String)).rows() == alone
        found = [
            verify_shard(shard, run.texts, run.results.documents, run.results.entities, pipeline, 1.0)
            for shard in range(shards)
        ]
        assert sum(found, Findings()).identical == len(TEXTS)


def test_the_fused_engine_is_refused_with_the_reason(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigError, match=r"the fused engine cannot annotate .*documents beside it.*engine: auto"):
        load_engine(pipeline, EngineChoice.FUSED, None, None)
    assert load_engine(pipeline, EngineChoice.AUTO, None, None)[1].reason.startswith("one document at a time: ")
