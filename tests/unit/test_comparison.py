from __future__ import annotations

import math

import pytest
import spacy
from making import make_pipeline, make_texts
from shardner.annotate.comparison import SHOWN, Comparison, Verdict, compare_entities, show_difference
from shardner.engine.annotations import Entity
from spacy.language import Language

TEXT = make_texts(1, seed=11, longest=200)[0]


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> Language:
    return spacy.load(make_pipeline(tmp_path_factory.mktemp("model") / "pipeline"))


@pytest.fixture(scope="module")
def theirs(nlp: Language) -> list[Entity]:
    return [(entity.start_char, entity.end_char, entity.label_) for entity in nlp(TEXT).ents]


def test_equal_answers_are_identical_and_so_are_two_failures(nlp: Language, theirs: list[Entity]) -> None:
    assert compare_entities(nlp, TEXT, list(theirs), theirs) == Comparison(Verdict.IDENTICAL)
    assert compare_entities(nlp, TEXT, None, None).verdict is Verdict.IDENTICAL


def test_the_score_gap_decides_about_a_near_tie(nlp: Language, theirs: list[Entity]) -> None:
    found = compare_entities(nlp, TEXT, theirs[1:], theirs)
    assert found.verdict is Verdict.DIFFERENT and 0 < found.gap < math.inf
    assert compare_entities(nlp, TEXT, theirs[1:], theirs, near_tie=found.gap * 2).verdict is Verdict.NEAR_TIE


def test_what_no_score_explains_is_never_a_near_tie(nlp: Language, theirs: list[Entity]) -> None:
    start, end, label = theirs[0]
    for ours in (None, [(start, end - 1, label), *theirs[1:]], [*theirs, theirs[-1]]):  # the last one twice
        assert compare_entities(nlp, TEXT, ours, theirs, near_tie=1e9) == Comparison(Verdict.DIFFERENT, math.inf)


def test_a_difference_shows_what_only_one_side_has() -> None:
    ours, theirs = [(0, 3, "PERSON"), (4, 6, "ORG")], [(0, 3, "PERSON"), (4, 6, "\x1b[1m")]
    assert show_difference("Ada in", ours, theirs, "this engine") == [
        "only stock spaCy: ␛[1m 'in' 4-6",
        "only this engine: ORG 'in' 4-6",
    ]


def test_many_entities_are_counted_and_the_order_is_told() -> None:
    many = [(i, i + 1, "ORG") for i in range(SHOWN + 3)]
    lines = show_difference("x" * 100, many, None, "the results")
    assert lines[0] == "only stock spaCy: nothing" and lines[1].endswith(f"{SHOWN - 1}-{SHOWN}, 3 more")
    assert show_difference("x" * 100, many[::-1], many, "the results") == [
        "its entities are not in the order of the text"
    ]
