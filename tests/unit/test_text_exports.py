"""Texts with their entities replaced."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from shardner.stages import annotated_texts
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


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 5), st.integers(1, 12))
def test_batches_follow_one_another_and_are_bounded(sizes: list[int], rows: int, chars: int) -> None:
    with patch.multiple(annotated_texts, BATCH_ROWS=rows, BATCH_CHARS=chars):
        found = list(annotated_texts._cut(pl.Series(sizes, dtype=pl.Int64)))
    assert [first for first, _ in found] == [sum(count for _, count in found[:at]) for at in range(len(found))]
    assert sum(count for _, count in found) == len(sizes)
    for first, count in found:
        assert 1 <= count <= rows and (count == 1 or sum(sizes[first : first + count]) <= chars)
