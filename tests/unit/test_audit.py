from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import spacy
from making import make_pipeline, make_texts, ner_model
from shardner.annotate.audit import audit
from shardner.annotate.comparison import Verdict, compare_entities
from shardner.annotate.draw import are_drawn, find_limit
from shardner.annotate.near_ties import find_gap
from shardner.data.metrics import Totals
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Entity
from shardner.engine.stock import StockEngine, annotate_one
from shardner.errors import AnnotateError
from spacy.language import Language
from spacy.tokens import Doc

TEXTS = [*make_texts(30, seed=11), ""]
IDS = [f"d{i}" for i in range(len(TEXTS))]
DOCS = np.arange(100_000, dtype=np.uint64)
#: No score gap of this pipeline is as wide.
WIDE = 1e6


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> Language:
    return spacy.load(make_pipeline(tmp_path_factory.mktemp("model") / "pipeline"))


@pytest.fixture(scope="module")
def annotations(nlp: Language) -> Annotations:
    return StockEngine(spacy.load(nlp.path)).annotate(TEXTS, Stopwatch())


def test_the_sample_holds_about_its_share_of_the_documents() -> None:
    drawn = are_drawn(DOCS, find_limit(DOCS, 0.01))
    assert 800 < drawn.sum() < 1200
    assert are_drawn(DOCS, find_limit(DOCS, 1)).all()
    assert not are_drawn(DOCS, find_limit(DOCS, 0)).any()


def test_the_sample_is_the_same_for_any_sharding() -> None:
    whole = are_drawn(DOCS, find_limit(DOCS, 0.01))
    parts = [are_drawn(part, find_limit(part, 0.01)) for part in np.array_split(DOCS, 7)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_every_shard_has_a_document_in_the_sample() -> None:
    for part in np.array_split(DOCS[:500], 100):
        assert are_drawn(part, find_limit(part, 1e-9)).sum() == 1
    assert find_limit(DOCS[:0], 0.5) is None


def test_equal_answers_are_identical(nlp: Language, annotations: Annotations) -> None:
    assert audit(nlp, IDS, TEXTS, annotations) == Totals(audited=len(TEXTS), identical=len(TEXTS))


def tampered(annotations: Annotations) -> Annotations:
    labels = list(annotations.labels)
    labels[0] = "GPE" if labels[0] != "GPE" else "ORG"
    return replace(annotations, labels=labels)


def test_another_answer_is_an_error_that_shows_the_document_and_both(nlp: Language, annotations: Annotations) -> None:
    with pytest.raises(AnnotateError) as error:
        audit(nlp, IDS, TEXTS, tampered(annotations))
    first = int(np.flatnonzero(np.diff(annotations.offsets))[0])
    found = TEXTS[first][int(annotations.starts[0]) : int(annotations.ends[0])]
    assert f"'d{first}'" in str(error.value) and "score gap" in str(error.value)
    assert f"only stock spaCy: {annotations.labels[0]} {found!r}" in str(error.value)
    assert f"only this engine: {tampered(annotations).labels[0]} {found!r}" in str(error.value)


def test_an_answer_within_rounding_is_counted(nlp: Language, annotations: Annotations) -> None:
    found = audit(nlp, IDS, TEXTS, tampered(annotations), near_tie=WIDE)
    assert found == Totals(audited=len(TEXTS), identical=len(TEXTS) - 1, near_ties=1)


def test_an_answer_within_rounding_is_counted_where_another_transition_model_comes_first(
    nlp: Language, annotations: Annotations
) -> None:
    parser = spacy.blank("en")
    model = {**ner_model(width=8, depth=1), "state_type": "parser"}
    parser.add_pipe("parser", config={"model": model}).add_label("dep")
    parser.initialize()
    both = spacy.load(nlp.path)
    both.add_pipe("parser", source=parser, before="ner")
    theirs = StockEngine(both).annotate(TEXTS, Stopwatch())
    assert audit(both, IDS, TEXTS, tampered(theirs), near_tie=WIDE).near_ties == 1


def test_a_document_that_fails_for_one_engine_alone_is_an_error(nlp: Language, annotations: Annotations) -> None:
    with pytest.raises(AnnotateError, match="one of the two failed on it"):
        audit(nlp, IDS, TEXTS, replace(annotations, failed={3: "ValueError: no"}))


def nearly_tied(nlp: Language, texts: list[str]) -> list[tuple[str, list[Entity], list[Entity]]]:
    """Return texts with the entities that stock spaCy finds, and all but the first of them: no tie explains that."""
    found = []
    for text in texts:
        entities = annotate_one(nlp, text).entities()
        if len(entities) > 1:
            found.append((text, entities, entities[1:]))
    return found


def test_a_component_after_the_recogniser_is_no_near_tie_whatever_it_does(nlp: Language) -> None:
    """Such a component takes the recogniser's best action away: the gap to what it left is large, not negative."""
    dropping = spacy.load(nlp.path)
    dropping.add_pipe("tests_drop_first_entity", last=True)
    answers = nearly_tied(nlp, TEXTS)
    assert len(answers) > 5
    for text, whole, left in answers:
        for ours, theirs in ((whole, left), (left, whole)):
            assert compare_entities(dropping, text, ours, theirs).verdict is Verdict.DIFFERENT
            assert compare_entities(nlp, text, ours, theirs).verdict is Verdict.DIFFERENT


def test_a_component_that_remembers_earlier_texts_is_named_as_what_it_is(nlp: Language) -> None:
    remembering = spacy.load(nlp.path)
    remembering.add_pipe("tests_drop_entities_seen_before", last=True)
    annotations = StockEngine(remembering).annotate(TEXTS, Stopwatch())
    with pytest.raises(AnnotateError, match="a component of the pipeline remembers earlier texts"):
        audit(remembering, IDS, TEXTS, annotations)
    with pytest.raises(AnnotateError) as error:
        audit(nlp, IDS, TEXTS, tampered(annotations))
    assert "remembers" not in str(error.value)


@Language.factory("tests_drop_entities_seen_before")
class DropsEntitiesSeenBefore:
    def __init__(self, nlp: Language, name: str) -> None:
        self.texts: dict[str, int] = {}

    def __call__(self, doc: Doc) -> Doc:
        for entity in doc.ents:
            self.texts[entity.text] = self.texts.get(entity.text, 0) + 1
        doc.ents = [entity for entity in doc.ents if self.texts[entity.text] % 2]
        return doc


@Language.component("tests_drop_first_entity")
def drop_first_entity(doc: Doc) -> Doc:
    doc.ents = doc.ents[1:]
    return doc


def test_a_second_difference_is_looked_at_after_one_that_rounding_explains(nlp: Language) -> None:
    text, entities, _ = max(nearly_tied(nlp, TEXTS), key=lambda answer: len(answer[1]))
    first, *rest = entities
    relabelled = [(first[0], first[1], "GPE" if first[2] != "GPE" else "ORG"), *rest]
    gap = find_gap(nlp, text, entities, relabelled)
    assert (
        0 < gap < math.inf and compare_entities(nlp, text, relabelled, entities, gap + 1e-9).verdict is Verdict.NEAR_TIE
    )
    last = rest[-1]
    both = [*relabelled[:-1], (last[0], last[1], "GPE" if last[2] != "GPE" else "ORG")]
    assert find_gap(nlp, text, entities, both) == max(gap, find_gap(nlp, text, entities, [*entities[:-1], both[-1]]))
    strange = [*relabelled[:-1], (last[0], last[1], "A_RULE")]
    assert find_gap(nlp, text, entities, strange) == math.inf


def test_equal_answers_have_no_gap(nlp: Language) -> None:
    text, entities, _ = nearly_tied(nlp, TEXTS)[0]
    assert find_gap(nlp, text, entities, entities) == math.inf


@Language.component("audit_fails")
def audit_fails(doc: Doc) -> Doc:
    raise ValueError("always")


def test_a_document_on_which_both_fail_is_not_counted(nlp: Language) -> None:
    failing = spacy.load(nlp.path)
    failing.add_pipe("audit_fails")
    assert audit(failing, ["d0"], TEXTS[:1], Annotations.empty(1, {0: "ValueError: always"})) == Totals()
