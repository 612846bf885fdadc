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

#: Tokens by which every candidate is extended. Only a candidate that the walk takes is extended further.
SPECULATIVE_STEPS = 16
#: Tokens scored at once in the first of such further extensions, and in the largest; each is twice the one before.
FIRST_EXTENSION, LARGEST_EXTENSION = 32, 4096
#: Tokens whose scores are held at once.
CPU_BLOCK_ROWS, GPU_BLOCK_ROWS = 4096, 1 << 18

# together with an array, CuPy takes plain numbers and no IntEnum
_OUT, _BEGIN = int(Action.OUT), int(Action.BEGIN)
_OPEN = 0  # the end of a candidate whose end is not known yet; no entity ends before token 0


@dataclass(frozen=True, slots=True)
class Barriers:
    """At which of the N tokens of a batch actions are restricted."""

    is_space: Array  # (N,) bool: whitespace, which neither begins an entity nor is one
    must_close: Array  # (N,) bool: no entity goes on after it (the last of a document, or before a sentence start)


@dataclass(frozen=True, slots=True)
class Spans:
    """M spans of tokens, by start, in the CPU's memory."""

    starts: HostInts  # (M,)
    ends: HostInts  # (M,) exclusive
    labels: HostInts  # (M,) index into `Moves.labels`
    scored: int  # states inside of entities whose actions were scored to find the spans


_NOTHING = np.empty(0, dtype=np.int64)
NO_SPANS = Spans(_NOTHING, _NOTHING, _NOTHING, scored=0)


def decode(scorer: Scorer, vectors: Array, barriers: Barriers) -> Spans:
    """Return the entities of a batch of documents, which lie one after another.

    Args:
        scorer: the recogniser's network.
        vectors: (N, width) float32 of the tokens.
        barriers: of the tokens; the last token of each document must close.
    """
    reduced = scorer.reduce(vectors)
    candidates = propose_spans(scorer, reduced, barriers)
    scored = candidates.scored

    def finish(candidate: int) -> int:
        nonlocal scored
        start, label = int(candidates.starts[candidate]), int(candidates.labels[candidate])
        end, more = _extend_one(scorer, reduced, barriers, start, label)
        scored += more
        return end

    chosen, ends = walk(candidates, finish)
    return Spans(candidates.starts[chosen], ends, candidates.labels[chosen], scored)


def propose_spans(scorer: Scorer, reduced: Array, barriers: Barriers) -> Spans:
    """Return the candidates: the entity that each token begins if no entity is open there.

    A candidate longer than `SPECULATIVE_STEPS` has the end 0, which says that its end is not known.
    """
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
) -> HostInts:
    """Return the ends (M,) of candidates, after finding those that were not known; score about `limit` states at most.

    What is left open when the limit is reached stays 0.
    """
    scored, ends = 0, ends.copy()
    for number in np.flatnonzero(ends == _OPEN).tolist():
        if scored >= limit:
            break
        ends[number], more = _extend_one(scorer, reduced, barriers, int(starts[number]), int(labels[number]))
        scored += more
    return ends


def walk(candidates: Spans, finish: Callable[[int], int]) -> tuple[HostInts, HostInts]:
    """Take the candidates that the greedy parse reaches: from left to right, each that begins in none taken before.

    Args:
        candidates: by start.
        finish: takes the number of a candidate whose end is not known, and returns its end.

    Returns:
        The numbers of the candidates that were taken, and their ends.
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
        # B is invalid where an entity must close; argmax takes the first of equal scores, the lower class number
        best[block] = xp.where(
            barriers.must_close[block], not_begin[scores[:, not_begin].argmax(axis=1)], scores.argmax(axis=1)
        )
    best[barriers.is_space] = moves.out_column
    return to_device(xp, moves.outside_actions)[best], to_device(xp, moves.outside_labels)[best]


def _extend_all(scorer: Scorer, reduced: Array, barriers: Barriers, starts: Array, labels: Array) -> tuple[Array, int]:
    """Return the ends (M,) of entities that begin at `starts` (M,), or `_OPEN` for long ones; and the states scored."""
    xp = scorer.xp
    ends, scored = xp.full(starts.shape, _OPEN), 0
    first = scorer.project_first(reduced, starts)
    alive = xp.arange(len(starts))
    for step in range(1, SPECULATIVE_STEPS + 1):
        if not len(alive):
            break
        scored += len(alive)
        current = starts[alive] + step  # exists: neither B nor I is valid at the last token of a document
        closes = scorer.prefers_last(reduced, current, first, labels) | barriers.must_close[current]
        ends[alive[closes]] = current[closes] + 1
        open_ = ~closes
        alive, first, labels = alive[open_], first[open_], labels[open_]
    return ends, scored


def _extend_one(scorer: Scorer, reduced: Array, barriers: Barriers, start: int, label: int) -> tuple[int, int]:
    """Return the end of the entity that begins at `start` and is open after the speculative steps; and states scored.

    The states of later tokens do not depend on decisions in between. While the entity is open, a state consists of the
    current token, the one before it, and the first token of the entity. So many states are scored at once, and the
    entity ends at the first token that closes it.
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
