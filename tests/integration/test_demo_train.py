from __future__ import annotations

import logging
import random
from pathlib import Path

import polars as pl
import pytest
import spacy
from shardner.demo import train
from shardner.demo.cast import LABELS
from shardner.demo.generate import generate_document
from shardner.demo.lexicon import Purpose, vocabulary
from shardner.demo.score import score_entities
from shardner.demo.templates import Domain
from shardner.demo.train import train_demo_pipeline

ENTITIES = {"id": pl.String, "start": pl.UInt32, "end": pl.UInt32, "label": pl.String}


def content(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_same_seed_same_pipeline_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        train_demo_pipeline(tmp_path / name, seed=seed, chars=2_000)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert content(tmp_path / "one")["ner/model"] != content(tmp_path / "three")["ner/model"]


def test_pipeline_has_the_shape_of_the_small_english_ones(tmp_path: Path) -> None:
    train_demo_pipeline(tmp_path / "model", chars=2_000)
    nlp = spacy.load(tmp_path / "model")
    assert nlp.pipe_names == ["sentencizer", "ner"]
    assert (nlp.meta["lang"], nlp.meta["name"], nlp.meta["version"]) == ("en", "demo_core_ner_sm", "1.0.0")
    recogniser = nlp.get_pipe("ner")
    assert recogniser.labels == LABELS
    model = nlp.config["components"]["ner"]["model"]
    assert model["@architectures"] == "spacy.TransitionBasedParser.v2"
    assert (model["hidden_width"], model["maxout_pieces"], model["use_upper"]) == (64, 2, True)
    assert model["extra_state_tokens"] is False
    embed, encode = model["tok2vec"]["embed"], model["tok2vec"]["encode"]
    assert embed["attrs"] == ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
    assert embed["rows"] == [5000, 1000, 2500, 2500]
    assert (encode["width"], encode["depth"], encode["window_size"], encode["maxout_pieces"]) == (96, 4, 1, 3)


def test_a_short_training_already_finds_entities_in_unseen_text(tmp_path: Path) -> None:
    train_demo_pipeline(tmp_path / "model", chars=60_000)
    nlp = spacy.load(tmp_path / "model")
    rng, words = random.Random(5), vocabulary(Purpose.DEMO)
    documents = [generate_document(rng, domain, words) for domain in Domain for _ in range(5)]
    gold = [(str(number), *entity) for number, document in enumerate(documents) for entity in document.entities]
    annotated = nlp.pipe([document.text for document in documents])
    found = [(str(n), ent.start_char, ent.end_char, ent.label_) for n, doc in enumerate(annotated) for ent in doc.ents]
    predicted, known = (pl.DataFrame(rows, schema=ENTITIES, orient="row") for rows in (found, gold))
    f = score_entities(predicted, known).overall.f
    assert f is not None
    assert 0.2 < f < 0.95


def test_a_directory_that_is_there_is_replaced_and_progress_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "models" / "demo"
    target.mkdir(parents=True)
    (target / "stale").write_text("of an earlier run")
    with caplog.at_level(logging.INFO, logger="shardner"):
        train_demo_pipeline(target, chars=2_000)
    assert not (target / "stale").exists()
    assert (target / "config.cfg").exists()
    assert [path.name for path in target.parent.iterdir()] == ["demo"]
    messages = [record.getMessage() for record in caplog.records if record.name == train.__name__]
    assert any("loss" in message for message in messages)
    assert len(messages) < 12


def test_a_failure_leaves_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(directory: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(train, "_sync", fail)
    with pytest.raises(OSError, match="disk full"):
        train_demo_pipeline(tmp_path / "model", chars=2_000)
    assert list(tmp_path.iterdir()) == []
