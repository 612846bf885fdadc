"""Tokens of chunks are those that spaCy's tokenizer gives for the whole text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from making import make_pipeline, make_texts
from shardner.data.stopwatch import Stopwatch
from shardner.engine.fused import FusedEngine
from shardner.engine.fused import chunks as chunks_module
from shardner.engine.fused.affixes import longest_at_end, needs_other_than_letters, skip_search
from shardner.engine.fused.chunks import ChunkTokenizer, UnreadableError
from shardner.engine.fused.rules import read_rules
from shardner.engine.fused.tokens import read_tokens
from shardner.engine.tokenization import VocabularyMemory
from spacy.tokenizer import Tokenizer

ATTRIBUTES = ["ORTH", "NORM", "SHAPE", "SPACY", "IS_SPACE", "IS_PUNCT", "LENGTH"]
TEXTS = [
    "", " ", "  ", "\n", "a", " a", "a ", "  a", "a  ", "a\n", "\na", "a \nb", "a\n b", "a \n\n  b\t",
    "a\u00a0b", "a\u3000 b", "北京。 東京 \U0001f600\U0001f600 e\u0301",
    "it 's", "don't can't , (it's) .", ": ) :) (: )", "I am . 10 a.m. p.m.", "Mr. Ada ( Mr. )", "C++ :-( ' s",
    "http://example.com/a_b?c=1, see www.spacy.io.", "5km 5 km 10km/h U.S.A. e.g.",
    "word" * 500, "x" * 70 + " " + "y-" * 200, *make_texts(40, seed=5),
]  # fmt: skip


def reader(nlp: Any) -> ChunkTokenizer:
    rules = read_rules(nlp.tokenizer)
    assert rules is not None
    return ChunkTokenizer(nlp, ATTRIBUTES, rules, VocabularyMemory(nlp))


def check(nlp: Any, chunks: ChunkTokenizer, texts: Sequence[str]) -> None:
    ours = chunks.read(texts)
    theirs = read_tokens([nlp.tokenizer(text) for text in texts], ATTRIBUTES)
    assert ours.lengths.tolist() == theirs.lengths.tolist()
    assert ours.begins.tolist() == theirs.begins.tolist()
    for attribute in ATTRIBUTES:
        assert ours[attribute].tolist() == theirs[attribute].tolist(), attribute


@pytest.mark.parametrize("language", ["en", "de", "fr", "fi", "xx"])
def test_tokens_are_those_of_the_tokenizer(language: str) -> None:
    nlp = spacy.blank(language)
    chunks = reader(nlp)
    for _ in range(2):  # new, and remembered
        check(nlp, chunks, TEXTS)
        for text in TEXTS:
            check(nlp, chunks, [text])


@given(
    st.lists(st.text(st.sampled_from("ab.'-:()s 5\n\t\u00a0") | st.characters(exclude_categories=["Cs"])), max_size=5)
)
def test_tokens_of_any_text_are_those_of_the_tokenizer(texts: list[str]) -> None:
    check(ENGLISH, READER, texts)


@given(
    st.lists(
        st.sampled_from(["x-a)", "((", "a)", "a", ")", "(", "x", "-", "it's", "'s", "b(", "(b(", "ab", "q"]),
        max_size=12,
    )
)
def test_rules_that_look_across_spaces_find_what_they_find_in_the_text(words: list[str]) -> None:
    check(CROSSED, CROSSED_READER, [" ".join(words), "".join(words), "  ".join(words)])


def crossed() -> Any:
    """Return a pipeline with rules of which one can keep another, inside of a chunk, from being followed."""
    nlp = spacy.blank("en")
    for word in ("a)", "a)((", "b(", ")(b"):
        nlp.tokenizer.add_special_case(word, [{"ORTH": word}])
    nlp.tokenizer.add_special_case("(b(", [{"ORTH": "("}, {"ORTH": "b("}])
    return nlp


ENGLISH, CROSSED = spacy.blank("en"), crossed()
READER, CROSSED_READER = reader(ENGLISH), reader(CROSSED)
SKIPPING = skip_search(ENGLISH.tokenizer)


def test_a_longer_run_across_a_space_keeps_a_word_from_its_rule() -> None:
    nlp = crossed()
    # what makes taking chunks together necessary
    assert [token.text for token in nlp.tokenizer("x-a) ((")] == ["x", "-", "a", ")", "(", "("]
    assert [token.text for token in nlp.tokenizer("x-a) b")] == ["x", "-", "a)", "b"]
    check(nlp, reader(nlp), ["x-a) ((", "x-a) b", "x-a) (( b", "q x-a) ( ("])


@pytest.mark.parametrize("words", [["New York"], ["a\tb"]])
def test_a_rule_with_whitespace_makes_no_chunk_safe(words: list[str]) -> None:
    nlp = spacy.blank("en")
    for word in words:
        nlp.tokenizer.add_special_case(word, [{"ORTH": word}])
    assert read_rules(nlp.tokenizer) is None


def test_a_tokenizer_of_whitespace_alone_has_no_rules() -> None:
    nlp = spacy.blank("en")
    nlp.tokenizer = Tokenizer(nlp.vocab)
    check(nlp, reader(nlp), TEXTS)


@pytest.mark.parametrize("heuristics", [True, False])
def test_rules_are_followed_with_and_without_heuristics(heuristics: bool) -> None:
    nlp = spacy.blank("en")
    nlp.tokenizer.faster_heuristics = heuristics
    nlp.tokenizer.add_special_case("Ltd", [{"orth": "Lt"}, {"ORTH": "d", "NORM": "limited"}])  # spaCy takes either
    nlp.tokenizer.add_special_case(":-|", [{"orth": ":-"}, {"ORTH": "|"}])
    check(nlp, reader(nlp), [*TEXTS, "Ltd a-Ltd (Ltd) Ltd. xLtd", "can't-don't don't-"])


def test_chunks_not_wanted_for_longest_are_forgotten_and_tokenized_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks_module, "CHUNKS", 8)
    monkeypatch.setattr(chunks_module, "CHUNK_TOKENS", 24)
    nlp = spacy.blank("en")
    chunks = reader(nlp)
    for number in range(60):
        check(nlp, chunks, [f"a, b. {number} (it's) word{number}.", TEXTS[number % len(TEXTS)]])
        chunks_known = len(chunks._numbers)
    assert chunks_known < 400
    chunks._make_room()
    assert len(chunks._numbers) <= 4
    check(nlp, chunks, TEXTS)


class Listening:
    """A tokenizer that puts down what it is given."""

    def __init__(self, tokenizer: Any, asked: list[str]) -> None:
        self.tokenizer, self.rules, self.asked = tokenizer, tokenizer.rules, asked

    def __call__(self, text: str) -> Any:
        self.asked.append(text)
        return self.tokenizer(text)


class Other(Listening):
    """A tokenizer whose tokens are those of another text."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__(tokenizer, [])

    def __call__(self, text: str) -> Any:
        return super().__call__("other")


def test_a_chunk_is_tokenized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = reader(spacy.blank("en"))
    asked: list[str] = []
    monkeypatch.setattr(chunks, "_tokenize", Listening(chunks._tokenize, asked))
    for texts in (["a b, a", "b, c"], ["c a1 1"], ["a\n\n1"]):
        chunks.read(texts)
    assert asked == ["b,", "a1\n1", "\n\n"]  # a word of letters is a token


def test_a_tokenizer_that_fails_leaves_nothing_half_known(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = spacy.blank("en")
    chunks = reader(nlp)
    chunks.read(["a b"])
    plain = chunks._tokenize
    monkeypatch.setattr(chunks, "_tokenize", Other(plain))
    with pytest.raises(UnreadableError):
        chunks.read(["a c d, e"])
    monkeypatch.setattr(chunks, "_tokenize", plain)
    check(nlp, chunks, ["a c d, e", "b"])


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        (r"(?<=[0-9])(?:km|m)$|'s$|\.\.+$", True),
        (r"[^a-z]", False),
        (r"[^a-zA-Z]x", True),
        (r"\d+[a-z]", True),
        (r"\w", False),
        (r"\W", True),
        (r"a*b", False),
        (r"(?:-a)*b", False),
        (r"(?:-a)+b", True),
        (r"(?i)\u017f", False),
        (r"(?i:\u017f)", False),
        (r"x(?!-)", False),
        (r"x(?=-)", True),
        (r".-", True),
        ("", False),
        (r"a|-", False),
    ],
)
def test_a_pattern_that_needs_other_characters_than_letters_is_known(pattern: str, needs: bool) -> None:
    assert needs_other_than_letters(re.compile(pattern)) is needs


@pytest.mark.parametrize(
    ("pattern", "longest"),
    [
        (r"(?<=[0-9])(?:km|mbar)$|'s$|\.\.+$", 4),
        (r"\.\.+$|'s", None),
        (r"[a-z]+$|'s$", None),
        (r"x\.+$|,$", None),
        (r"(?m)a$|b$", None),
        (r"[.]$|,$", 1),
        (r"(?i)a$|\.\.+$", None),
        (r"'s$", None),
        ("", None),
    ],
)
def test_the_longest_suffix_is_known(pattern: str, longest: int | None) -> None:
    assert longest_at_end(re.compile(pattern)) == longest


@pytest.mark.parametrize("language", ["en", "de", "fr", "fi", "xx"])
def test_suffixes_of_languages_are_short(language: str) -> None:
    assert longest_at_end(spacy.blank(language).tokenizer.suffix_search.__self__) in range(2, 10)


@given(
    st.text(
        st.sampled_from("aBkmhs0'\u2019.\u2026-,$\u20ac)\n\u00b2/%") | st.characters(exclude_categories=["Cs"]),
        max_size=14,
    )
)
def test_suffixes_found_in_the_last_characters_are_those_of_the_word(word: str) -> None:
    found, expected = SKIPPING.find_suffix(word), ENGLISH.tokenizer.find_suffix(word)
    assert (found, SKIPPING.find_prefix(word)) == (expected, ENGLISH.tokenizer.find_prefix(word))


@pytest.mark.parametrize("language", ["en", "de", "fr", "xx"])
def test_affixes_of_languages_need_other_characters_than_letters(language: str) -> None:
    tokenizer = spacy.blank(language).tokenizer
    for find in (tokenizer.prefix_search, tokenizer.suffix_search, tokenizer.infix_finditer, tokenizer.url_match):
        assert needs_other_than_letters(find.__self__)


def test_an_affix_of_letters_is_still_found() -> None:
    nlp = spacy.blank("en")
    nlp.tokenizer.suffix_search = re.compile(r"(?:gate|')$").search
    assert len(nlp.tokenizer("Watergate")) == 2
    check(nlp, reader(nlp), ["Watergate gate x'", *TEXTS])


def test_types_that_occur_are_told() -> None:
    tokens = READER.read(["b a b", "c a"])
    types, which = tokens.distinct()
    assert np.array_equal(types[which], tokens.which) and len(types) == len(set(tokens.which.tolist()))


def test_a_text_that_cannot_be_tokenized_fails_alone(tmp_path: Path) -> None:
    engine = FusedEngine(spacy.load(make_pipeline(tmp_path / "pipeline")))
    whole = engine.annotate(["Ada works in London", "Ada"], Stopwatch())
    found = engine.annotate(["Ada works in London", "a \ud800 b", "Ada"], Stopwatch())
    assert list(found.failed) == [1] and found.failed[1].startswith("UnicodeEncodeError")
    assert (found.tokens.tolist(), found.starts.tolist()) == ([4, 0, 1], whole.starts.tolist())
    assert engine.annotate(["Ada works in London", "Ada"], Stopwatch()).tokens.tolist() == [4, 1]
