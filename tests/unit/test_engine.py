from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spacy
from making import annotate_plainly, make_pipeline, make_texts
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations
from shardner.engine.repeated_texts import Reuse
from shardner.engine.selection import select_engine
from shardner.engine.stock import StockEngine
from shardner.errors import ConfigError
from spacy.language import Language
from spacy.tokens import Doc

TEXTS = [*make_texts(40, seed=3), "", " ", "\n"]


@Language.component("tests_fail_on_boom")
def fail_on_boom(doc: Doc) -> Doc:
    if "boom" in doc.text:
        raise ValueError("it went boom")
    return doc


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")


@pytest.fixture
def nlp(model: Path) -> Language:
    return spacy.load(model)


def rows(annotations: Annotations, texts: list[str]) -> list[tuple[int, int, int, str, str]]:
    text_of = np.repeat(np.arange(len(texts)), np.diff(annotations.offsets))
    columns = (text_of, annotations.starts, annotations.ends)
    spans = zip(*(column.tolist() for column in columns), annotations.labels, strict=True)
    return [(row, start, end, texts[row][start:end], label) for row, start, end, label in spans]


@pytest.mark.parametrize("batch_tokens", [1, 30, None])
def test_the_stock_engine_gives_what_nlp_pipe_gives_for_any_batch(
    model: Path, nlp: Language, batch_tokens: int | None
) -> None:
    found = StockEngine(nlp, batch_tokens).annotate(TEXTS, Stopwatch())
    assert rows(found, TEXTS) == annotate_plainly(model, TEXTS)
    assert found.tokens.tolist() == [len(nlp.make_doc(text)) for text in TEXTS]


def test_a_document_that_makes_a_component_raise_is_named_and_the_others_go_on(model: Path, nlp: Language) -> None:
    nlp.add_pipe("tests_fail_on_boom")
    texts = [*TEXTS[:5], "a boom here", *TEXTS[5:]]
    found = StockEngine(nlp).annotate(texts, Stopwatch())
    assert found.failed == {5: "ValueError: it went boom"}
    expected = annotate_plainly(model, texts)
    assert rows(found, texts) == [row for row in expected if row[0] != 5]


def test_a_tokenizer_that_raises_is_no_different(nlp: Language) -> None:
    tokenizer = nlp.tokenizer

    def strict(text: str) -> Doc:
        if "boom" in text:
            raise OverflowError("no such text")
        return tokenizer(text)

    nlp.tokenizer = strict
    found = StockEngine(nlp).annotate(["Ada", "boom", "London"], Stopwatch())
    assert found.failed == {1: "OverflowError: no such text"} and found.tokens.tolist() == [1, 0, 1]


def test_strings_of_earlier_texts_are_freed(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardner.engine.tokenization.ZONE_CHARS", 100_000)
    monkeypatch.setattr("shardner.engine.tokenization.LEXEMES", 5_000)
    engine = StockEngine(nlp)
    sizes = []
    for block in range(30):
        engine.annotate([f"word{block}x{i} another{block}y{i}" for i in range(1_000)], Stopwatch())
        sizes.append(len(nlp.vocab.strings))
    assert max(sizes[10:]) <= 1.1 * max(sizes[:10])


def test_repeated_texts_are_annotated_once(model: Path, nlp: Language) -> None:
    seen: list[str] = []
    stock = StockEngine(nlp)

    class Watching:
        def annotate(self, texts: list[str], watch: Stopwatch) -> Annotations:
            seen.extend(texts)
            return stock.annotate(texts, watch)

    engine = Reuse(Watching())
    blocks = [[*TEXTS[:10], *TEXTS[3:6]], [*TEXTS[8:20], TEXTS[0]], [TEXTS[19]]]
    for block in blocks:
        assert rows(engine.annotate(block, Stopwatch()), block) == annotate_plainly(model, block)
    assert sorted(seen) == sorted(set(TEXTS[:20]))
    assert engine.reused == sum(map(len, blocks)) - len(seen)


def test_the_memory_of_texts_is_bounded_and_forgets_the_oldest(nlp: Language) -> None:
    engine = Reuse(StockEngine(nlp), memory_bytes=3_000)
    for text in ("one", "two", "three", "four", "five"):
        engine.annotate([text], Stopwatch())
    engine.annotate(["five"], Stopwatch())
    assert engine.reused == 1
    engine.annotate(["one"], Stopwatch())
    assert engine.reused == 1


def test_a_text_that_failed_fails_again_where_it_comes_again(nlp: Language) -> None:
    nlp.add_pipe("tests_fail_on_boom")
    engine = Reuse(StockEngine(nlp))
    assert set(engine.annotate(["boom", "Ada", "boom"], Stopwatch()).failed) == {0, 2}
    assert set(engine.annotate(["Ada", "boom"], Stopwatch()).failed) == {1}


def test_auto_takes_the_fused_engine_where_it_is_exact_and_says_so(nlp: Language) -> None:
    selected = select_engine(nlp, EngineChoice.AUTO, None)
    assert selected.name == "fused" and selected.reason == "fused decoder and encoder: hash-embedding CNN"
    stock = select_engine(nlp, EngineChoice.SPACY, None)
    assert stock.name == "spacy" and stock.reason == "ner.engine: spacy"


def test_a_pipeline_that_cannot_be_fused_goes_to_stock_spacy_or_is_refused_with_the_reason(nlp: Language) -> None:
    nlp.add_pipe("entity_ruler", before="ner")
    selected = select_engine(nlp, EngineChoice.AUTO, None)
    assert selected.name == "spacy"
    assert selected.reason == "not fused: the component 'entity_ruler' writes entities before the recogniser"
    with pytest.raises(ConfigError, match=r"writes entities before[\s\S]*ner: \{engine: auto\}"):
        select_engine(nlp, EngineChoice.FUSED, None)
