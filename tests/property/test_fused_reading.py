from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from making import WORDS
from shardner.engine.fused.reading import TextReader
from shardner.engine.fused.tokens import read_tokens

ATTRIBUTES = ["ORTH", "NORM", "SHAPE", "IS_SPACE", "SPACY", "IDX", "LENGTH"]
PIECES = (
    *WORDS,
    " ",
    "\n",
    "\r\n",
    "\u00a0",
    "\u2028",
    "\x85",
    ":)",
    "a.m.",
    "I'd",
    "(cannot",
    "e.g.,",
    "http://a.b/c\td",
)
TEXTS = st.lists(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join), max_size=8)


@cache
def blank(language: str) -> Any:
    return spacy.blank(language)


@pytest.mark.parametrize("language", ["en", "de", "fr", "xx"])
@given(texts=TEXTS)
def test_texts_read_together_have_the_tokens_that_each_has_alone(language: str, texts: list[str]) -> None:
    nlp = blank(language)
    together = TextReader(nlp.tokenizer, ATTRIBUTES).read(texts)
    alone = read_tokens([nlp.make_doc(text) for text in texts], ATTRIBUTES)
    assert together.columns == alone.columns
    np.testing.assert_array_equal(together.lengths, alone.lengths)
    np.testing.assert_array_equal(together.values, alone.values)


@pytest.mark.parametrize(
    ("special", "pieces"),
    [
        ("one\ntwo", ["one\ntwo"]),  # would make a token of the end of a text and the beginning of the next
        ("New York", ["New ", "York"]),
        ("dunno", ["dun", "no"]),
    ],
)
def test_special_cases_do_not_reach_across_texts(special: str, pieces: list[str]) -> None:
    nlp = spacy.blank("en")
    nlp.tokenizer.add_special_case(special, [{"ORTH": piece} for piece in pieces])
    texts = ["one", "two", "I dunno", "New", "York", "New York", "one\ntwo", "two"]
    together = TextReader(nlp.tokenizer, ATTRIBUTES).read(texts)
    alone = read_tokens([nlp.make_doc(text) for text in texts], ATTRIBUTES)
    np.testing.assert_array_equal(together.values, alone.values)
    np.testing.assert_array_equal(together.lengths, alone.lengths)


def test_a_border_that_the_tokenizer_swallows_is_noticed() -> None:
    nlp = spacy.blank("en")
    reader = TextReader(nlp.tokenizer, ATTRIBUTES)
    nlp.tokenizer.add_special_case("one\ntwo", [{"ORTH": "one\ntwo"}])  # after the reader looked at them
    together = reader.read(["one", "two", "three"])
    assert together.lengths.tolist() == [1, 1, 1] and together["IDX"].tolist() == [0, 0, 0]
