"""The fused engine with transformer pipelines: spaCy's own encoder, our decoder, the same entities."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import spacy
from fused_reference import compare, fused_entities
from making import WORDS, make_texts
from making_transformers import WINDOW, transformer_pipeline
from shardner.annotate.audit import audit
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.fused import FusedEngine, examine
from shardner.engine.selection import select_engine
from shardner.engine.sorted_by_length import has_padding
from shardner.engine.stock import StockEngine
from shardner.engine.transformer_spans import MOST_PADDING, group_by_length
from shardner.model.pipeline import load_pipeline, prepare_pipeline, read_pipeline, write_pipeline
from shardner.parse.pipeline_source import classify

pytest.importorskip(
    "spacy_curated_transformers", reason="needs the transformers extra: tools/setup.sh dev transformers"
)
pytestmark = pytest.mark.transformers

#: Documents of one token, of whitespace alone, and of many more pieces than the transformer reads at once.
ODD = ("", " ", "\n\n", "Ada", "😀", ".", " Ada", "Ada Lovelace in London. " * WINDOW, "x" * 10 * WINDOW)


def make_documents(seed: int) -> list[str]:
    texts = [*ODD, *make_texts(60, seed=seed), " ".join(random.Random(seed).choices(WORDS, k=700))]
    random.Random(seed).shuffle(texts)
    return texts


@pytest.mark.parametrize("batch_tokens", [None, 100])
@pytest.mark.parametrize("before", [(), ("sentencizer",)], ids=["", "sentencizer"])
@pytest.mark.parametrize("seed", range(4))
def test_entities_are_those_of_stock_spacy(seed: int, before: tuple[str, ...], batch_tokens: int | None) -> None:
    nlp = transformer_pipeline(seed, before=before)
    compared = compare(nlp, make_documents(seed), batch_tokens=batch_tokens)
    assert compared.entities > 100 and not compared.wrong


def test_sentence_starts_are_respected() -> None:
    texts = make_documents(2)
    plain, sentences = (transformer_pipeline(2, before=before) for before in ([], ["sentencizer"]))
    assert fused_entities(FusedEngine(plain), texts) != fused_entities(FusedEngine(sentences), texts)


def test_a_transformer_may_have_other_listeners() -> None:
    nlp = transformer_pipeline(1, tagged=True)
    assert nlp.get_pipe("transformer").listening_components == ["tagger", "ner"]
    compared = compare(nlp, make_documents(1))
    assert compared.entities > 100 and not compared.wrong


def test_a_recogniser_may_have_a_transformer_to_itself() -> None:
    nlp = transformer_pipeline(3)
    nlp.replace_listeners("transformer", "ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert examine(nlp).reason == "fused decoder, stock encoder: an unknown encoder (wrapped_transformer_and_listener)"
    compared = compare(nlp, make_documents(3))
    assert compared.entities > 100 and not compared.wrong


def test_the_reason_names_the_transformer() -> None:
    selected = select_engine(transformer_pipeline(), EngineChoice.AUTO, None)
    assert selected.name is EngineChoice.FUSED
    assert selected.reason == "fused decoder, stock encoder: shared 'transformer'"


@pytest.mark.parametrize("choice", [EngineChoice.FUSED, EngineChoice.SPACY])
def test_texts_sorted_for_the_transformer_come_back_in_their_order(choice: EngineChoice) -> None:
    nlp = transformer_pipeline(1)
    assert has_padding(nlp) and not has_padding(spacy.blank("en"))
    texts = make_documents(5)
    found = select_engine(nlp, choice, 200).engine.annotate(texts, Stopwatch())
    assert found.tokens.tolist() == [len(nlp.make_doc(text)) for text in texts]
    assert audit(nlp, texts, texts, found).near_ties <= 1


@pytest.mark.parametrize("engine", [FusedEngine, StockEngine])
@pytest.mark.parametrize("texts", [[" "], ["\n", "", "  "], ["", ""]])
def test_texts_without_a_word_have_no_entities(engine: Any, texts: list[str]) -> None:
    # stock nlp.pipe raises where a batch has whitespace alone, and finds nothing in it where the batch has a word, too
    assert fused_entities(engine(transformer_pipeline()), texts) == [[]] * len(texts)


def test_the_audit_finds_the_answers_of_stock_spacy() -> None:
    nlp, texts = transformer_pipeline(4), make_documents(4)
    found = FusedEngine(nlp).annotate(texts, Stopwatch())
    findings = audit(nlp, texts, texts, found)
    assert findings.audited == findings.identical + findings.near_ties == len(texts)
    assert findings.near_ties <= 1


def test_mixed_precision_reaches_the_transformer(tmp_path: Path) -> None:
    plain = transformer_pipeline(1, before=["sentencizer"])
    plain.to_disk(tmp_path / "model")
    source = classify(str(tmp_path / "model"))
    for wanted in (False, True):
        pipeline = prepare_pipeline(source, None, tmp_path / "unpacked", "auto", mixed_precision=wanted)
        write_pipeline(tmp_path / "pipeline.json", pipeline)
        nlp = load_pipeline(read_pipeline(tmp_path / "pipeline.json"))
        shims = [shim for node in nlp.get_pipe("transformer").model.walk() for shim in node.shims]
        assert shims and all(shim._mixed_precision is wanted for shim in shims)


@pytest.mark.parametrize("seed", range(3))
def test_spans_are_read_in_groups_of_about_the_same_length(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little of what the network computes is padding, and afterwards the pipeline is as it was."""
    monkeypatch.setattr("shardner.engine.transformer_spans.CPU_LEAST_PIECES", 1)
    nlp = transformer_pipeline(seed)
    [network] = [node for node in nlp.get_pipe("transformer").model.walk() if node.shims]
    inner, shapes = network._func, []

    def forward(model: Any, spans: Any, is_train: bool) -> Any:
        shapes.append((max(map(len, spans)) * len(spans), sum(map(len, spans))))
        return inner(model, spans, is_train)

    network._func = forward
    compared = compare(nlp, make_documents(seed))
    assert network._func is forward
    assert compared.entities > 100 and not compared.wrong
    engine, texts = FusedEngine(nlp), make_texts(60, seed=seed, longest=6)
    shapes.clear()
    engine.annotate(texts, Stopwatch())
    computed, read = (sum(column) for column in zip(*shapes, strict=True))
    assert len(shapes) > 3 and computed - read <= 1.05 * MOST_PADDING * computed
    shapes.clear()
    list(nlp.pipe(texts))
    computed, read = (sum(column) for column in zip(*shapes, strict=True))
    assert computed - read > 2 * MOST_PADDING * computed  # so it would be


def test_a_group_is_not_cut_below_the_least_size() -> None:
    lengths = [3, 9, 1, 9, 8, 2, 9]
    assert group_by_length(lengths, 1) == [[2], [5], [0], [4], [1, 3, 6]]
    assert group_by_length(lengths, 10**6) == [[2, 5, 0, 4, 1, 3, 6]]
    assert group_by_length([], 1) == [] and group_by_length([7, 7], 1) == [[0, 1]]
