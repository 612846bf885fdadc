"""The exact greedy decode of a batch, without a loop over its tokens. The package's docstring says why it is exact.

Reproduces ``greedy_parse`` of ``spacy/pipeline/transition_parser.pyx`` with the conditions for valid actions of
``spacy/pipeline/_parser_internals/ner.pyx``, for documents that have no entities yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shardner.engine.fused.arrays import Array, HostInts, to_device, to_host
from shardner.engine.fused.moves import Action
from shardner.engine.fused.scorer import Scorer

#: Tokens by which every candidate is extended; beyond that, only a candidate that the walk takes is.
SPECULATIVE_STEPS = 16
#: Tokens by which the first and the largest of such further extensions go at once; the size doubles in between.
FIRST_EXTENSION, LARGEST_EXTENSION = 32, 4096
#: Tokens whose scores are held at once.
CPU_BLOCK_ROWS, GPU_BLOCK_ROWS = 4096, 1 << 18

# CuPy takes plain numbers, and no IntEnum, beside an array
_OUT, _BEGIN = int(Action.OUT), int(Action.BEGIN)
_OPEN = 0  # the end of a candidate that has not been closed; no entity ends before token 0


@dataclass(frozen=True, slots=True)
class Barriers:
    """Where the actions of a batch's N tokens are restricted, by token."""

    is_space: Array  # (N,) bool: whitespace, which neither begins an entity nor is one
    must_close: Array  # (N,) bool: no entity runs on behind it (the last of a document, or before a sentence start)


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans of tokens, in the CPU's memory. In order of `starts`; `ends` are exclusive."""

    starts: HostInts
    ends: HostInts
    labels: HostInts  # index into `Moves.labels`
    scored: int  # states inside of entities whose actions were scored to find the spans


def decode(scorer: Scorer, vectors: Array, barriers: Barriers) -> Spans:
    """Return the entities of a batch of documents, laid end to end.

    Args:
        scorer: the recogniser.
        vectors: (N, width) float32, of the encoder.
        barriers: as the documents' tokens have it; the last token of each document must close.
    """
    reduced = scorer.reduce(vectors)
    candidates = find_candidates(scorer, reduced, barriers)
    scored = candidates.scored

    def finish(candidate: int) -> int:
        nonlocal scored
        start, label = int(candidates.starts[candidate]), int(candidates.labels[candidate])
        end, more = _extend_one(scorer, reduced, barriers, start, label)
        scored += more
        return end

    chosen, ends = walk(candidates, finish)
    return Spans(candidates.starts[chosen], ends, candidates.labels[chosen], scored)


def find_candidates(scorer: Scorer, reduced: Array, barriers: Barriers) -> Spans:
    """Return the entities that tokens would begin if none were open there; one still open has the end 0."""
    xp = scorer.xp
    actions, labels = _choose_outside(scorer, reduced, barriers)
    starts = xp.flatnonzero(actions != _OUT)
    labels = labels[starts]
    ends = starts + 1
    begins = xp.flatnonzero(actions[starts] == _BEGIN)
    ends[begins], scored = _extend_all(scorer, reduced, barriers, starts[begins], labels[begins])
    return Spans(to_host(starts), to_host(ends), to_host(labels), scored)


def finish_open(
    scorer: Scorer, reduced: Array, barriers: Barriers, starts: HostInts, ends: HostInts, labels: HostInts, limit: int
) -> None:
    """Write the ends of candidates that were left open into `ends`, until about `limit` states have been scored."""
    scored = 0
    for number in np.flatnonzero(ends == _OPEN).tolist():
        if scored >= limit:
            break
        ends[number], more = _extend_one(scorer, reduced, barriers, int(starts[number]), int(labels[number]))
        scored += more


def walk(candidates: Spans, finish: Callable[[int], int]) -> tuple[HostInts, HostInts]:
    """Take the candidates that the greedy parse reaches: from the left, each that begins in none taken before.

    Args:
        candidates: by start.
        finish: gives the end of a candidate, by its number, that was left open.

    Returns:
        Numbers of the candidates taken, and their ends.
    """
    chosen, ends, free = [], [], 0
    for number, (start, end) in enumerate(zip(candidates.starts.tolist(), candidates.ends.tolist(), strict=True)):
        if start >= free:
            free = finish(number) if end == _OPEN else end
            chosen.append(number)
            ends.append(free)
    return np.array(chosen, dtype=np.int64), np.array(ends, dtype=np.int64)


def _choose_outside(scorer: Scorer, reduced: Array, barriers: Barriers) -> tuple[Array, Array]:
    """Return the best valid action (N,) and its label (N,) at each token while no entity is open."""
    xp, moves = scorer.xp, scorer.moves
    best = xp.empty(len(reduced), dtype=np.int64)
    not_begin = xp.flatnonzero(to_device(xp, moves.outside_actions) != _BEGIN)
    block_rows = CPU_BLOCK_ROWS if xp is np else GPU_BLOCK_ROWS
    for begin in range(0, len(reduced), block_rows):
        block = slice(begin, begin + block_rows)
        scores = scorer.score_outside(reduced[block])
        # B is invalid where an entity must close; of equal scores the first is the one of the lower class number
        best[block] = xp.where(
            barriers.must_close[block], not_begin[scores[:, not_begin].argmax(axis=1)], scores.argmax(axis=1)
        )
    best[barriers.is_space] = moves.out_column
    return to_device(xp, moves.outside_actions)[best], to_device(xp, moves.outside_labels)[best]


def _extend_all(scorer: Scorer, reduced: Array, barriers: Barriers, starts: Array, labels: Array) -> tuple[Array, int]:
    """Return the ends (M,) of entities begun at `starts` (M,), `_OPEN` where too far; and the states scored."""
    xp = scorer.xp
    ends, scored = xp.full(starts.shape, _OPEN), 0
    first = scorer.project_first(reduced, starts)
    alive = xp.arange(len(starts))
    for step in range(1, SPECULATIVE_STEPS + 1):
        if not len(alive):
            break
        scored += len(alive)
        current = starts[alive] + step  # there is such a token: neither B nor I is valid on a document's last
        closes = scorer.prefers_last(reduced, current, first, labels) | barriers.must_close[current]
        ends[alive[closes]] = current[closes] + 1
        open_ = ~closes
        alive, first, labels = alive[open_], first[open_], labels[open_]
    return ends, scored


def _extend_one(scorer: Scorer, reduced: Array, barriers: Barriers, start: int, label: int) -> tuple[int, int]:
    """Return the end of the entity begun at `start`, open after the speculative steps; and the states scored.

    The states ahead are known without their predecessors' decisions: as long as the entity is open, a state is its
    current and its first token. So many are scored at once, and the first that closes is the end.
    """
    xp = scorer.xp
    first = scorer.project_first(reduced, xp.array([start]))
    begin, size, scored = start + 1 + SPECULATIVE_STEPS, FIRST_EXTENSION, 0
    while True:
        current = xp.arange(begin, min(begin + size, len(barriers.must_close)))
        scored += len(current)
        closes = scorer.prefers_last(reduced, current, first, xp.full(current.shape, label))
        closing = to_host(xp.flatnonzero(closes | barriers.must_close[current]))
        if len(closing):
            return begin + int(closing[0]) + 1, scored
        begin, size = begin + size, min(2 * size, LARGEST_EXTENSION)
