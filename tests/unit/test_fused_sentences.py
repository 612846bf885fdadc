from __future__ import annotations

import numpy as np
import pytest
import spacy
from making import make_texts
from shardner.engine.fused.sentences import must_close, number_sentences, sentence_starts, terminal_keys
from shardner.engine.fused.tokens import Tokens, read_tokens

TEXTS = [
    "", "One. Two! “Three?” Four", "...", "A.", ". A", "(End.) Next . , ) more", "\n", "! ! a ! b", "no end",
    "北京。 东京。",
    *make_texts(60, seed=1),
]  # fmt: skip


def tokens_of(docs: list[spacy.tokens.Doc]) -> Tokens:
    return read_tokens(docs, ["ORTH", "IS_PUNCT", "SENT_START"])


@pytest.mark.parametrize("characters", [None, ["!"], ["London", "She", "", "..."]])
def test_sentences_start_where_the_sentencizer_starts_them(characters: list[str] | None) -> None:
    nlp = spacy.blank("en")
    sentencizer = nlp.add_pipe("sentencizer", config={"punct_chars": characters})
    tokens = tokens_of(list(nlp.pipe(TEXTS)))
    ours = sentence_starts(tokens, terminal_keys(nlp.vocab.strings, sentencizer.punct_chars))
    theirs = tokens["SENT_START"] == 1
    theirs[(np.cumsum(tokens.lengths) - tokens.lengths)[tokens.lengths > 0]] = False  # the first of each document
    assert ours.tolist() == theirs.tolist() and ours.any()


def test_sentences_are_numbered_anew_in_each_document() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    docs = list(nlp.pipe(TEXTS))
    tokens = tokens_of(docs)
    expected = [number for doc in docs for number, sentence in enumerate(doc.sents) for _ in sentence]
    assert number_sentences(tokens, tokens["SENT_START"] == 1).tolist() == expected and max(expected) > 2


def test_no_entity_runs_on_behind_a_sentence_or_a_document() -> None:
    tokens = tokens_of([spacy.blank("en")(text) for text in ("a b c", "", "d e")])
    starts = np.array([False, False, True, True, False])
    assert must_close(tokens, starts).tolist() == [False, True, True, False, True]


def test_documents_without_tokens_have_nothing_to_close() -> None:
    tokens = tokens_of([spacy.blank("en")("")])
    assert must_close(tokens, np.zeros(0, dtype=bool)).tolist() == []
