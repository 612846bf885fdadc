from __future__ import annotations

import numpy as np
import pytest
import spacy
from shardner.engine.fused.document_pieces import CUT_TOKENS, Piece, known_tokens
from shardner.engine.fused.tokens import Tokens, read_tokens

WORDS = 40
TEXT = " ".join(["word"] * WORDS)


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return read_tokens([spacy.blank("en")(TEXT)], ["ORTH"])


def piece(*, at_start: bool, at_end: bool) -> Piece:
    return Piece(TEXT, 0, len(TEXT), at_start, at_end)


@pytest.mark.parametrize("at_start", [True, False])
@pytest.mark.parametrize("at_end", [True, False])
def test_margins_hold_what_the_encoder_sees(tokens: Tokens, at_start: bool, at_end: bool) -> None:
    known = known_tokens(tokens, piece(at_start=at_start, at_end=at_end), 4, None)
    margin = CUT_TOKENS + 4
    assert known == (0 if at_start else margin, WORDS if at_end else WORDS - margin)


def test_a_left_margin_holds_a_token_after_which_sentence_starts_are_known(tokens: Tokens) -> None:
    cut = piece(at_start=False, at_end=True)
    assert known_tokens(tokens, cut, 4, np.array([2, 20, 30])) == (20, WORDS)
    assert known_tokens(tokens, cut, 4, np.array([2, 9])) == (CUT_TOKENS + 4, WORDS)
    assert known_tokens(tokens, cut, 4, np.array([2])) == (WORDS, WORDS)


def test_nothing_is_known_in_a_piece_if_the_encoder_sees_the_whole_document(tokens: Tokens) -> None:
    first, end = known_tokens(tokens, piece(at_start=True, at_end=False), None, None)
    assert first >= end
    assert known_tokens(tokens, piece(at_start=True, at_end=True), None, None) == (0, WORDS)
