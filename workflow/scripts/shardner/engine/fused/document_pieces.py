"""Candidates of a piece of a document: what begins in the piece's core, as if the whole document had been decoded.

What the recogniser chooses at a token while no entity is open, and what follows a B there, depend on the tokens that
the entity covers and on those that the encoder sees around them: not on what was decided before. So text on either
side, the margins, makes the candidates of a core those of the whole document, if the margins hold

- as many tokens as the encoder sees, and a few in which a cut could still show,
- on the left, a token behind which it is known whether a sentence was ended,
- on the right, all of an entity that begins in the core.

Whether they do is seen from the result, so a margin can be short at first and grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardner.engine.annotations import Int64s
from shardner.engine.fused.arrays import Array, HostInts
from shardner.engine.fused.decode import Barriers, Spans, finish_open
from shardner.engine.fused.scorer import Scorer
from shardner.engine.fused.tokens import Tokens

#: Tokens next to a cut that are not relied on: a rule of the tokenizer for several tokens could have gone across.
CUT_TOKENS = 8
#: States that are scored to find the ends of long candidates: so many at least, and so many a token of the piece.
LEAST_STATES, STATES_A_TOKEN = 1 << 21, 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a document's text with the core whose candidates are wanted; offsets in code points of `text`."""

    text: str
    begin: int  # of the core
    end: int
    at_start: bool  # the text begins where the document does
    at_end: bool


@dataclass(frozen=True, slots=True)
class Candidates:
    """What begins in a piece's core."""

    tokens: Int64s  # (N,) where the core's tokens start, in code points of the piece
    starts: Int64s  # (M,) of candidates, by start, in code points of the piece
    ends: Int64s  # (M,) 0 where the end is not known
    labels: HostInts  # (M,) index into `Moves.labels`
    sure_left: bool  # the margin was wide enough
    sure_right: bool


def known_tokens(tokens: Tokens, piece: Piece, seen: int, plain: HostInts | None) -> tuple[int, int]:
    """Return from which token to which what is found is that of the whole document.

    Args:
        tokens: of the piece.
        piece: tells which of its ends are the document's.
        seen: tokens that the encoder sees to each side.
        plain: numbers of the tokens behind which it is known whether a sentence was ended; None where none ends.
    """
    first, last = 0, len(tokens)
    if not piece.at_start:
        first = CUT_TOKENS + seen
        if plain is not None:
            place = np.searchsorted(plain, CUT_TOKENS)
            first = max(first, int(plain[place])) if place < len(plain) else len(tokens)
    if not piece.at_end:
        last -= CUT_TOKENS + max(seen, 1)
    return first, last


def select_core(
    scorer: Scorer,
    reduced: Array,
    barriers: Barriers,
    found: Spans,
    tokens: Tokens,
    piece: Piece,
    known: tuple[int, int],
) -> Candidates:
    """Return those of the candidates `found` that begin in the core, with the ends of long ones."""
    begins = tokens.begins
    first, last = np.searchsorted(begins, [piece.begin, piece.end])
    in_core = (found.starts >= first) & (found.starts < last)
    starts, ends, labels = (each[in_core].copy() for each in (found.starts, found.ends, found.labels))
    finish_open(scorer, reduced, barriers, starts, ends, labels, max(LEAST_STATES, STATES_A_TOKEN * len(tokens)))
    ends[ends > known[1]] = 0
    final = np.maximum(ends - 1, 0)
    closed = begins[final] + tokens["LENGTH"][final].astype(np.int64) if len(ends) else ends
    return Candidates(
        tokens=begins[first:last],
        starts=begins[starts],
        ends=np.where(ends > 0, closed, 0),
        labels=labels,
        sure_left=bool(first == last or known[0] <= first),
        sure_right=bool(first == last or last <= known[1]) and bool((ends > 0).all()),
    )


def no_candidates(tokens: Tokens, piece: Piece) -> Candidates:
    """Return that nothing begins in a piece: it holds whitespace at most."""
    begins = tokens.begins
    first, last = np.searchsorted(begins, [piece.begin, piece.end])
    nothing = np.empty(0, dtype=np.int64)
    return Candidates(begins[first:last], nothing, nothing, nothing, sure_left=True, sure_right=True)
