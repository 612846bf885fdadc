"""Texts with their entities replaced."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from shardner.stages.annotated_texts import AnnotatedText
from shardner.stages.text_exports import redact

texts = st.text(st.characters(codec="utf-8"), max_size=40)


@given(
    texts, st.lists(st.integers(0, 40), max_size=8), st.sampled_from(["[{label}]", "{label}", "", "█", "{{{label}}}"])
)
def test_each_entity_is_replaced_by_its_offsets_and_nothing_else_is(text: str, cuts: list[int], template: str) -> None:
    edges = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    spans = [(start, end) for number, (start, end) in enumerate(pairwise(edges)) if number % 3 != 1]
    entities = [{"start": start, "end": end, "label": f"L{start}"} for start, end in spans]
    found = redact(AnnotatedText({}, text, entities), template)
    expected, done = "", 0
    for start, end in spans:
        expected += text[done:start] + template.format(label=f"L{start}")
        done = end
    assert found == expected + text[done:]


def test_what_looks_like_an_entity_elsewhere_stays() -> None:
    text = "\U0001f600 Ada met Ada."
    entities = [{"start": 2, "end": 5, "label": "PERSON"}]
    assert redact(AnnotatedText({}, text, entities), "[{label}]") == "\U0001f600 [PERSON] met Ada."
