"""The scores of entities, against spaCy's own states, scores and valid actions, one action after another."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from fake_gpus import card, settle, write_machine
from fused_reference import scores_of
from making import LABELS, WORDS, make_texts, ner_model, randomise
from shardner.annotate.near_ties import find_gap
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Engine, Entity
from shardner.engine.fused import FusedEngine
from shardner.engine.fused.document_pieces import Piece
from shardner.engine.reference_decode import ReferenceDecode, find_actions
from shardner.engine.repeated_texts import Reuse
from shardner.engine.scores import LEAST_SCORE, to_scores
from shardner.engine.selection import select_engine
from shardner.engine.sorted_by_length import ByLength
from shardner.engine.stock import StockEngine
from spacy.language import Language
from spacy.tokens import Doc

TEXTS = [*make_texts(25, seed=4), "", " ", "\n\n", "Ada"]
BOTH = pytest.mark.parametrize("kind", [FusedEngine, StockEngine])


@Language.component("tests_first_two_words")
def preset_first_two_words(doc: Doc) -> Doc:
    """Set an entity of two tokens, and forbid any at the last token."""
    if len(doc) > 4 and not doc[1].is_space:
        doc.set_ents([doc[1:3].char_span(0, len(doc[1:3].text), label=LABELS[0])], blocked=[doc[-1:]])
    return doc


@Language.component("tests_fail_on_Zurich")
def fail_on_zurich(doc: Doc) -> Doc:
    if "Zürich" in doc.text:
        raise ValueError("no such town")
    return doc


def make_nlp(before: str = "", *, longer: float = 0.0, unseen: bool = False, **model: Any) -> Language:
    """Return a pipeline with random weights. Entities are long where `longer` is added to B and taken from L."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    if before:
        nlp.add_pipe(before)
    recogniser: Any = nlp.add_pipe("ner", config={"model": {**ner_model(width=16, depth=1), **model}})
    for label in LABELS:
        recogniser.add_label(label)
    nlp.initialize()
    if unseen:
        recogniser.add_label("UNSEEN")
    randomise(recogniser.model, 1)
    upper = recogniser.model.get_ref("upper")
    upper.set_param("W", upper.get_param("W") / 4)
    kinds = [recogniser.moves.get_class_name(number)[0] for number in range(recogniser.moves.n_moves)]
    change = [longer * ((kind == "B") - (kind == "L")) for kind in kinds]
    upper.set_param("b", upper.get_param("b") + np.array(change, dtype="f"))
    return nlp


def scores_by_hand(nlp: Language, text: str) -> dict[Entity, float]:
    """Return what spaCy's recogniser finds, with scores from its states, one action after another."""
    doc = nlp.make_doc(text)
    for name, pipe in nlp.pipeline:
        if name == "ner":
            break
        doc = pipe(doc)
    recogniser: Any = nlp.get_pipe("ner")
    if not len(doc):
        return {}
    preset = {(entity.start, entity.end) for entity in doc.ents}
    moves, step = recogniser.moves, recogniser.model.predict([doc])
    [state] = moves.init_batch([doc])
    found, probability, start = {}, 1.0, 0
    for i in range(len(doc)):
        [scores] = step.predict([state]).astype("d")
        names = {moves.get_class_name(number): number for number in range(moves.n_moves)}
        valid = {name: scores[number] for name, number in names.items() if moves.is_valid(state, name)}
        action = max(valid, key=lambda name: valid[name])
        seen = [score for name, score in valid.items() if names[name] not in recogniser.model.attrs["unseen_classes"]]
        start, probability = (i, 1.0) if action[0] in "BU" else (start, probability)
        probability *= math.exp(valid[action]) / sum(map(math.exp, seen))
        if action[0] in "LU" and action != "U-" and (start, i + 1) not in preset:
            span = doc[start : i + 1]
            found[span.start_char, span.end_char, action[2:]] = probability
        moves.apply_transition(state, action)
    return found


def scores_from(engine: Engine, texts: list[str]) -> list[dict[Entity, float]]:
    return scores_of(engine.annotate(texts, Stopwatch()), len(texts))


def assert_scores(found: list[dict[Entity, float]], texts: list[str], nlp: Language) -> None:
    """Check that the recogniser's entities have their scores, and that there are some."""
    expected = [scores_by_hand(nlp, text) for text in texts]
    assert [{e: s for e, s in each.items() if not math.isnan(s)} for each in found] == [
        pytest.approx(each, abs=1e-4) for each in expected
    ]
    assert sum(map(len, expected)) > 20


@BOTH
@pytest.mark.parametrize(
    "nlp",
    [
        make_nlp(),
        make_nlp("sentencizer"),
        make_nlp(unseen=True),
        make_nlp(longer=2.0),
        make_nlp(before="tests_first_two_words"),
    ],
    ids=["plain", "sentence starts", "a label never trained", "long entities", "preset entities"],
)
def test_scores_follow_from_spacys_own_states(kind: type[Any], nlp: Language) -> None:
    assert_scores(scores_from(kind(nlp, attributes=["score"]), TEXTS), TEXTS, nlp)


@BOTH
def test_preset_entities_have_no_score(kind: type[Any]) -> None:
    nlp = make_nlp(before="tests_first_two_words")
    preset = nlp.select_pipes(enable=["tests_first_two_words"])
    places = [{(e.start_char, e.end_char, e.label_) for e in doc.ents} for doc in nlp.pipe(TEXTS)]
    preset.restore()
    found = scores_from(kind(nlp, attributes=["score"]), TEXTS)
    assert sum(map(len, places)) > 10
    assert [{entity for entity, score in each.items() if math.isnan(score)} for each in found] == places


@BOTH
def test_what_a_component_after_the_recogniser_wrote_has_no_score_and_the_rest_keeps_its(kind: type[Any]) -> None:
    plain = make_nlp()
    nlp = make_nlp()
    with nlp.select_pipes(enable=[]):
        ruler: Any = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
        ruler.add_patterns([{"label": "TOWN", "pattern": "London"}, {"label": "TOWN", "pattern": "Zürich"}])
    found = scores_from(kind(nlp, attributes=["score"]), TEXTS)
    rules = [(entity, score) for each in found for entity, score in each.items() if entity[2] == "TOWN"]
    assert len(rules) > 10 and all(math.isnan(score) for _, score in rules)
    for text, each in zip(TEXTS, found, strict=True):
        expected = scores_by_hand(plain, text)
        kept = {entity: score for entity, score in each.items() if entity[2] != "TOWN"}
        assert kept == pytest.approx({entity: expected[entity] for entity in kept}, abs=1e-4)


@BOTH
def test_documents_beside_one_that_fails_keep_their_scores(kind: type[Any]) -> None:
    nlp = make_nlp()
    nlp.add_pipe("tests_fail_on_Zurich")
    found = kind(nlp, attributes=["score"]).annotate(TEXTS, Stopwatch())
    assert set(found.failed) == {row for row, text in enumerate(TEXTS) if "Zürich" in text} != set()
    whole = kind(nlp, attributes=["score"]).annotate([text for text in TEXTS if "Zürich" not in text], Stopwatch())
    assert found.starts.tolist() == whole.starts.tolist() and len(found.starts) > 5
    assert np.asarray(found.attributes["score"]).tolist() == pytest.approx(
        np.asarray(whole.attributes["score"]), abs=1e-4
    )


@BOTH
def test_there_is_no_column_where_none_is_asked_for(kind: type[Any]) -> None:
    assert not kind(make_nlp()).annotate(TEXTS, Stopwatch()).attributes


def make_two_recognisers() -> Language:
    nlp = make_nlp()
    second: Any = nlp.add_pipe("ner", name="second", config={"model": ner_model(width=16, depth=1)})
    second.add_label("X")
    with nlp.select_pipes(enable=["second"]):
        nlp.initialize()
    return nlp


def make_beam_search() -> Language:
    nlp = make_nlp()
    recogniser: Any = nlp.get_pipe("ner")
    recogniser.cfg["beam_width"] = 4
    return nlp


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_two_recognisers, "more than one recogniser: 'ner', 'second'"),
        (make_beam_search, "beam search"),
        (lambda: make_nlp(extra_state_tokens=True), "6 state features"),
        (lambda: spacy.blank("en"), "no transition-based recogniser"),
    ],
    ids=["two recognisers", "beam search", "more state features", "no recogniser"],
)
def test_a_pipeline_that_cannot_be_scored_has_an_empty_column_and_says_so_once(
    make: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    nlp = make()
    with caplog.at_level(logging.WARNING, logger="shardner"):
        engine = StockEngine(nlp, attributes=["score"])
        found = [engine.annotate(TEXTS, Stopwatch()) for _ in range(2)]
    scores = np.asarray(found[1].attributes["score"])
    assert scores.dtype == np.float32 and len(scores) == len(found[1].starts) and np.isnan(scores).all()
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("the entities of this pipeline have no scores: ") and reason in message


def test_the_selected_engine_is_asked_for_the_attributes() -> None:
    for choice in (EngineChoice.FUSED, EngineChoice.SPACY):
        nlp = make_nlp()
        engine = select_engine(nlp, choice, None, attributes=["score"]).engine
        assert_scores(scores_from(engine, TEXTS), TEXTS, nlp)


def test_scores_stay_with_their_entities_where_texts_are_sorted_or_remembered() -> None:
    nlp = make_nlp()
    engine = Reuse(ByLength(FusedEngine(nlp, attributes=["score"])))
    for texts in (TEXTS[5:], TEXTS[::-1], [TEXTS[0], *TEXTS, TEXTS[0]]):
        assert_scores(scores_from(engine, texts), texts, nlp)


def test_entities_longer_than_the_speculative_steps_are_scored_to_their_ends() -> None:
    nlp = make_nlp("sentencizer", longer=2.0)
    words = [word for word in WORDS if word.isalpha()]
    sentences = [" ".join(words[(i * i) % len(words)] for i in range(length)) for length in (15, 19, 30, 60, 200)]
    text = " . ".join(["", *sentences])
    expected = scores_by_hand(nlp, text)
    assert sum(len(text[start:end].split()) > 17 for start, end, _ in expected) >= 3
    assert len({score for score in expected.values() if 0.001 < score < 0.999}) >= 3
    for kind in (FusedEngine, StockEngine):
        [found] = scores_from(kind(nlp, attributes=["score"]), [text])
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_product_too_small_for_a_float_is_no_zero() -> None:
    assert to_scores(np.array([-1e4, 0.0, 1e-9, np.nan])).tolist() == pytest.approx(
        [LEAST_SCORE, 1.0, 1.0, math.nan], nan_ok=True
    )


@pytest.mark.parametrize("longer", [0.0, 2.0])
def test_candidates_that_are_entities_have_the_scores_of_the_entities(longer: float) -> None:
    nlp = make_nlp("sentencizer", longer=longer)
    text = " ".join(make_texts(10, seed=9))
    engine = FusedEngine(nlp, attributes=["score"])
    found = engine.find_candidates(Piece(text, 0, len(text), at_start=True, at_end=True), Stopwatch())
    assert found.scores is not None and found.scores.dtype == np.float32
    scores = {
        (start, end, engine.labels[label]): score
        for start, end, label, score in zip(
            found.starts.tolist(), found.ends.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        )
    }
    [entities] = scores_from(engine, [text])
    assert len(entities) > 10 and {entity: scores[entity] for entity in entities} == pytest.approx(entities)


def test_a_candidate_whose_end_is_not_known_has_no_score() -> None:
    engine = FusedEngine(make_nlp(longer=1e6), attributes=["score"])
    text = "Ada works in London. " * 20
    found = engine.find_candidates(Piece(text, 0, 100, at_start=True, at_end=False), Stopwatch())
    assert found.scores is not None and len(found.ends) > 3
    assert np.isnan(found.scores).tolist() == (found.ends == 0).tolist() and (found.ends == 0).any()
    plain = FusedEngine(make_nlp()).find_candidates(Piece(text, 0, 100, at_start=True, at_end=False), Stopwatch())
    assert plain.scores is None


def test_a_gpu_finds_the_same_scores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    import cupy

    nlp = make_nlp(longer=1.0)
    assert_scores(scores_from(FusedEngine(nlp, xp=cupy, attributes=["score"]), TEXTS), TEXTS, nlp)


def move_to_gpu(nlp: Language, cupy: Any) -> None:
    """Let a recogniser have vectors and parameters of CuPy, as spaCy loads it: all but those of the upper layer."""
    model: Any = nlp.get_pipe("ner").model
    tok2vec, lower = model.get_ref("tok2vec"), model.get_ref("lower")
    plain = tok2vec._func
    tok2vec._func = lambda *given, **named: (cupy.asarray(plain(*given, **named)[0]), None)
    for name in lower.param_names:
        lower.set_param(name, cupy.asarray(lower.get_param(name)))


def test_the_reference_reads_a_recogniser_whose_layers_lie_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    import cupy

    nlp, text = make_nlp(), TEXTS[0]
    expected = scores_by_hand(nlp, text)
    found = list(expected)
    gap = find_gap(nlp, text, found, found[1:])
    move_to_gpu(nlp, cupy)
    cupy.cuda.tally.downloads.clear()
    assert find_gap(nlp, text, found, found[1:]) == gap < math.inf
    assert len(cupy.cuda.tally.downloads) == 4  # three parameters and the vectors, once a document
    doc, reference = nlp.make_doc(text), ReferenceDecode(nlp.get_pipe("ner"))
    [seen] = reference.read([doc])
    actions = find_actions(doc, found)
    assert seen is not None and actions is not None
    logs = reference.log_probabilities(seen, actions, np.arange(len(doc)))
    inside = [number for number, action in enumerate(actions) if action != "O"]
    assert math.exp(logs[inside].sum()) == pytest.approx(math.prod(expected.values()), rel=1e-3)
