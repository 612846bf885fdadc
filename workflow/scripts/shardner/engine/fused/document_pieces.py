"""Candidates of a piece of a document: the entities that could begin in the core of the piece.

What the recogniser chooses at a token while no entity is open, and what follows if it chooses B, depends on the tokens
that the entity covers and on those that the encoder sees around them. It does not depend on earlier decisions. So a
core with text on both sides, the margins, has the same candidates as in the whole document, if the margins hold

- as many tokens as the encoder sees, and a few that a cut may have changed;
- on the left, a token after which it is known whether a sentence has ended;
- on the right, all tokens of an entity that begins in the core.

The result tells whether the margins were wide enough. So margins can be short at first, and grow if they have to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardner.engine.annotations import Int64s
from shardner.engine.fused.arrays import Array, Floats32, HostInts
from shardner.engine.fused.decode import Barriers, Spans, finish_open
from shardner.engine.fused.scorer import Scorer
from shardner.engine.fused.tokens import Tokens
from shardner.engine.scores import to_scores

#: Tokens next to a cut that may differ from those of the document, because a rule of the tokenizer for several tokens
#: could apply across the cut.
CUT_TOKENS = 8
#: States scored to find the ends of long candidates: the least number, and the number per token of the piece.
LEAST_STATES, STATES_A_TOKEN = 1 << 21, 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a document's text, with a core whose candidates are wanted."""

    text: str
    begin: int  # of the core, in code points of `text`
    end: int  # of the core
    at_start: bool  # the text begins where the document begins
    at_end: bool  # the text ends where the document ends


@dataclass(frozen=True, slots=True)
class Candidates:
    """The M candidates that begin in the core of a piece, by start; offsets are in code points of the piece."""

    tokens: Int64s  # (N,) where the tokens of the core start
    starts: Int64s  # (M,)
    ends: Int64s  # (M,) exclusive; 0 where the end is not known
    labels: HostInts  # (M,) index into `Moves.labels`
    sure_left: bool  # the left margin was wide enough
    sure_right: bool  # the right margin was wide enough
    sentences: Int64s | None = None  # where sentences start in the core, but for the document's first; None: not asked
    scores: Floats32 | None = None  # (M,) NaN where the end is not known; None if not asked for


def known_tokens(tokens: Tokens, piece: Piece, seen: int | None, plain: HostInts | None) -> tuple[int, int]:
    """Return the first token and the end of the tokens at which decisions are those of the whole document.

    Args:
        tokens: of the piece.
        piece: tells which of its ends are ends of the document.
        seen: tokens that the encoder sees to each side; None for all of the document.
        plain: numbers of the tokens after which it is known whether a sentence has ended; None if no sentence ends.
    """
    first, last = 0, len(tokens)
    if seen is None:
        return (first, last) if piece.at_start and piece.at_end else (last, first)
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
    proposed: Spans,
    tokens: Tokens,
    piece: Piece,
    known: tuple[int, int],
) -> Candidates:
    """Return the candidates that begin in the core, with the ends of long ones.

    Args:
        scorer: the recogniser's network.
        reduced: (N, nI) of the tokens, of `Scorer.reduce`.
        barriers: of the tokens.
        proposed: candidates of the piece.
        tokens: of the piece.
        piece: says where its core is.
        known: what `known_tokens` returns.
    """
    begins = tokens.begins
    first, last = np.searchsorted(begins, [piece.begin, piece.end])
    in_core = (proposed.starts >= first) & (proposed.starts < last)
    limit = max(LEAST_STATES, STATES_A_TOKEN * len(tokens))
    found = finish_open(scorer, reduced, barriers, proposed.take(in_core), limit)
    ends = np.where(found.ends > known[1], 0, found.ends)
    final = np.maximum(ends - 1, 0)
    offsets = begins[final] + tokens["LENGTH"][final].astype(np.int64) if len(ends) else ends
    return Candidates(
        tokens=begins[first:last],
        starts=begins[found.starts],
        ends=np.where(ends > 0, offsets, 0),
        labels=found.labels,
        sure_left=bool(first == last or known[0] <= first),
        sure_right=bool(first == last or last <= known[1]) and bool((ends > 0).all()),
        scores=None if found.logs is None else to_scores(np.where(ends > 0, found.logs, np.nan)),
    )


def no_candidates(tokens: Tokens, piece: Piece, *, with_scores: bool = False) -> Candidates:
    """Return the candidates of a piece in which no entity begins, because it has no tokens."""
    begins = tokens.begins
    first, last = np.searchsorted(begins, [piece.begin, piece.end])
    nothing = np.empty(0, dtype=np.int64)
    scores = nothing.astype(np.float32) if with_scores else None
    return Candidates(begins[first:last], nothing, nothing, nothing, sure_left=True, sure_right=True, scores=scores)
