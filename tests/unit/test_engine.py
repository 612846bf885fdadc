from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from fake_gpus import GIB, card, settle, write_machine
from making import annotate_plainly, make_pipeline, make_texts
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations
from shardner.engine.fused import FusedEngine, support
from shardner.engine.loading import load_engine
from shardner.engine.repeated_texts import Reuse
from shardner.engine.selection import select_engine
from shardner.engine.stock import StockEngine
from shardner.errors import ConfigError
from shardner.gpu.memory import Share
from shardner.model.pipeline import prepare_pipeline
from shardner.parse.pipeline_source import classify
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
    return [
        (row, start, end, text[start:end], label)
        for row, text in enumerate(texts)
        for start, end, label in annotations.entities_of(row) or ()
    ]


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


@pytest.mark.parametrize("batch_tokens", [1, None])
@pytest.mark.parametrize("kind", [StockEngine, FusedEngine])
def test_a_tokenizer_that_raises_is_no_different(
    model: Path, nlp: Language, kind: type[Any], batch_tokens: int | None
) -> None:
    tokenizer = nlp.tokenizer

    def strict(text: str) -> Doc:
        if "boom" in text:
            raise OverflowError("no such text")
        return tokenizer(text)

    nlp.tokenizer = strict
    texts = ["boom", *TEXTS[:5], "a boom", "boom", *TEXTS[5:10], "boom"]
    found = kind(nlp, batch_tokens).annotate(texts, Stopwatch())
    failing = [number for number, text in enumerate(texts) if "boom" in text]
    assert found.failed == dict.fromkeys(failing, "OverflowError: no such text")
    assert found.tokens.tolist() == [0 if "boom" in text else len(tokenizer(text)) for text in texts]
    assert rows(found, texts) == [row for row in annotate_plainly(model, texts) if row[0] not in failing]


def test_strings_of_earlier_texts_are_freed(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardner.engine.tokenization.ZONE_CHARS", 20_000)
    monkeypatch.setattr("shardner.engine.tokenization.LEXEMES", 1_000)
    engine = StockEngine(nlp)
    sizes = []
    for block in range(30):
        engine.annotate([f"word{block}x{i} another{block}y{i}" for i in range(200)], Stopwatch())
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


@pytest.mark.parametrize("on_gpu", [False, True])
def test_loading_makes_the_plan_once(
    on_gpu: bool, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    planned: list[Any] = []
    plan_encoder = support.plan_encoder
    monkeypatch.setattr(support, "plan_encoder", lambda source: (planned.append(source), plan_encoder(source))[1])
    pipeline = prepare_pipeline(classify(str(model)), None, tmp_path / "unpacked", "auto")
    _, selected = load_engine(pipeline, EngineChoice.AUTO, None, Share(10 * GIB, 139 * GIB) if on_gpu else None)
    assert selected.name is EngineChoice.FUSED and len(planned) == 1
