"""The exact greedy decode of a batch, without a loop over its tokens. The package's docstring says why it is exact.

Reproduces ``greedy_parse`` of ``spacy/pipeline/transition_parser.pyx`` with the conditions for valid actions of
``spacy/pipeline/_parser_internals/ner.pyx``, for documents that have no entities yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from shardner.engine.fused.arrays import Array, Bools, Floats32, HostInts, Module, sum_rows, to_host
from shardner.engine.fused.moves import Action
from shardner.engine.fused.scorer import Scorer
from shardner.engine.products import ROW_STEP

#: Tokens by which every candidate is extended. Only a candidate that the walk takes is extended further.
SPECULATIVE_STEPS = 16
#: States that a GPU scores at once at least, where candidates are extended; more in a batch of more tokens.
LEAST_GPU_STATES = 4096
#: Tokens scored at once in the first of such further extensions, and in the largest; each is twice the one before.
FIRST_EXTENSION, LARGEST_EXTENSION = 32, 4096
#: Tokens whose scores are held at once; on a CPU whole tiles of a steady product.
CPU_BLOCK_ROWS, GPU_BLOCK_ROWS = 84 * ROW_STEP, 1 << 18

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
    logs: Floats32 | None = None  # (M,) logarithms of the scores, as far as a span reaches; None if not asked for

    def take(self, numbers: HostInts | Bools) -> Spans:
        """Return some of the spans."""
        logs = None if self.logs is None else self.logs[numbers]
        return Spans(self.starts[numbers], self.ends[numbers], self.labels[numbers], self.scored, logs)


def no_spans(*, with_scores: bool = False) -> Spans:
    """Return the spans of a batch without entities."""
    nothing = np.empty(0, dtype=np.int64)
    return Spans(nothing, nothing, nothing, scored=0, logs=nothing.astype(np.float32) if with_scores else None)


def decode(scorer: Scorer, vectors: Array, barriers: Barriers, *, with_scores: bool = False) -> Spans:
    """Return the entities of a batch of documents, which lie one after another.

    Args:
        scorer: the recogniser's network.
        vectors: (N, width) float32 of the tokens.
        barriers: of the tokens; the last token of each document must close.
        with_scores: whether the entities are scored.
    """
    reduced = scorer.reduce(vectors)
    candidates = propose_spans(scorer, reduced, barriers, with_scores=with_scores)
    extensions: dict[int, _Extension] = {}

    def finish(candidate: int) -> int:
        extensions[candidate] = _extend_one(scorer, reduced, barriers, candidates, candidate)
        return extensions[candidate].end

    chosen = walk(candidates, finish)
    return _close(candidates, extensions).take(chosen)


def propose_spans(scorer: Scorer, reduced: Array, barriers: Barriers, *, with_scores: bool = False) -> Spans:
    """Return the candidates: the entity that each token begins if no entity is open there.

    A candidate longer than `SPECULATIVE_STEPS` has the end 0, which says that its end is not known.
    """
    xp = scorer.xp
    actions, labels, logs = _choose_outside(scorer, reduced, barriers, with_scores)
    starts = xp.flatnonzero(actions != _OUT)
    labels = labels[starts]
    ends = starts + 1
    begins = xp.flatnonzero(actions[starts] == _BEGIN)
    extend = extend_step_by_step if xp is np else extend_at_once
    ends[begins], more_logs, scored = extend(scorer, reduced, barriers, starts[begins], labels[begins], with_scores)
    if logs is not None:
        logs[begins] += more_logs
    return Spans(to_host(starts), to_host(ends), to_host(labels), scored, None if logs is None else to_host(logs))


def finish_open(scorer: Scorer, reduced: Array, barriers: Barriers, candidates: Spans, limit: int) -> Spans:
    """Return candidates, with the ends of those that were not known; score about `limit` states at most.

    What is left open when the limit is reached keeps the end 0.
    """
    extensions: dict[int, _Extension] = {}
    scored = 0
    for number in np.flatnonzero(candidates.ends == _OPEN).tolist():
        if scored >= limit:
            break
        extensions[number] = _extend_one(scorer, reduced, barriers, candidates, number)
        scored += extensions[number].scored
    return _close(candidates, extensions)


def _close(candidates: Spans, extensions: Mapping[int, _Extension]) -> Spans:
    """Return candidates, some of them extended."""
    if not extensions:
        return candidates
    ends, logs = candidates.ends.copy(), None if candidates.logs is None else candidates.logs.copy()
    numbers = list(extensions)
    ends[numbers] = [each.end for each in extensions.values()]
    if logs is not None:
        logs[numbers] += [each.log for each in extensions.values()]
    scored = candidates.scored + sum(each.scored for each in extensions.values())
    return replace(candidates, ends=ends, logs=logs, scored=scored)


def walk(candidates: Spans, finish: Callable[[int], int]) -> HostInts:
    """Take the candidates that the greedy parse reaches: from left to right, each that begins in none taken before.

    Args:
        candidates: by start.
        finish: takes the number of a candidate whose end is not known, and returns its end.

    Returns:
        The numbers of the candidates that were taken.
    """
    chosen, free = [], 0
    for number, (start, end) in enumerate(zip(candidates.starts.tolist(), candidates.ends.tolist(), strict=True)):
        if start >= free:
            free = finish(number) if end == _OPEN else end
            chosen.append(number)
    return np.array(chosen, dtype=np.int64)


def _choose_outside(
    scorer: Scorer, reduced: Array, barriers: Barriers, with_scores: bool
) -> tuple[Array, Array, Array | None]:
    """Choose the best valid action at each token while no entity is open.

    Returns:
        Actions (N,), labels (N,), and the logarithms of the actions' probabilities where an entity begins, one after
        another, float32; None if they are not asked for.
    """
    xp = scorer.xp
    best = xp.empty(len(reduced), dtype=np.int64)
    outside_actions, not_begin = scorer.outside_actions, scorer.not_begin
    block_rows = CPU_BLOCK_ROWS if xp is np else GPU_BLOCK_ROWS
    logs = []
    for begin in range(0, len(reduced), block_rows):
        block = slice(begin, begin + block_rows)
        scores = scorer.score_outside(reduced[block])
        # B is invalid where an entity must close; argmax takes the first of equal scores, the lower class number
        best[block] = xp.where(
            barriers.must_close[block], not_begin[scores[:, not_begin].argmax(axis=1)], scores.argmax(axis=1)
        )
        if with_scores:
            rows = xp.flatnonzero((outside_actions[best[block]] != _OUT) & ~barriers.is_space[block])
            invalid = barriers.must_close[block][rows][:, None] & (outside_actions == _BEGIN)[None, :]
            logs.append(_log_softmax(xp, scores[rows], best[block][rows], invalid))
    best = xp.where(barriers.is_space, scorer.moves.out_column, best)
    return outside_actions[best], scorer.outside_labels[best], xp.concatenate(logs) if with_scores else None


def _log_softmax(xp: Module, scores: Array, best: Array, invalid: Array) -> Array:
    """Return the logarithm (M,) of the softmax of the valid action `best` (M,) among the valid ones.

    Args:
        xp: module of the arrays.
        scores: (M, K) float32.
        best: (M,) column of the valid action with the highest score.
        invalid: (M, K) bool.
    """
    distances = scores - scores[xp.arange(len(scores)), best][:, None]
    return -xp.log(sum_rows(xp, xp.exp(xp.where(invalid, xp.float32(-np.inf), distances))))


def _margins(xp: Module, inside: Array, last: Array, must_close: Array) -> Array:
    """Return by how much (M,) the better one of two actions scores above the other; infinity where only L is valid."""
    return xp.where(must_close, xp.float32(np.inf), abs(last - inside))


def _log_sigmoid(xp: Module, margins: Array) -> Array:
    """Return the logarithm (M,) of the probability of the better one of two actions."""
    return -xp.log1p(xp.exp(-margins))


def extend_step_by_step(
    scorer: Scorer, reduced: Array, barriers: Barriers, starts: Array, labels: Array, with_scores: bool
) -> tuple[Array, Array | None, int]:
    """Extend the M entities that begin at `starts` (M,) by `SPECULATIVE_STEPS` at most.

    At each step, only those that are still open: a CPU scores few states in vain.

    Returns:
        The ends (M,), `_OPEN` for long entities; the logarithms of the probabilities of the actions after the first
        one, (M,) float32, or None if they are not asked for; and the number of states scored.
    """
    xp = scorer.xp
    ends, scored = xp.full(starts.shape, _OPEN), 0
    of_steps, margins = [], []
    first = scorer.project_first(reduced, starts)
    alive = xp.arange(len(starts))
    for step in range(1, SPECULATIVE_STEPS + 1):
        if not len(alive):
            break
        scored += len(alive)
        current = starts[alive] + step  # exists: neither B nor I is valid at the last token of a document
        must_close = barriers.must_close[current]
        inside, last = scorer.score_inside(reduced, current, first, labels)
        closes = scorer.prefers_last(inside, last, labels) | must_close
        if with_scores:
            of_steps.append(alive)
            margins.append(_margins(xp, inside, last, must_close))
        ends[alive] = xp.where(closes, current + 1, _OPEN)
        open_ = xp.flatnonzero(~closes)  # once, for a GPU is waited for each time that a mask is counted
        alive, first, labels = alive[open_], first[open_], labels[open_]
    if not margins:
        return ends, xp.zeros(starts.shape, dtype="f") if with_scores else None, scored
    each = _log_sigmoid(xp, xp.concatenate(margins))
    return ends, xp.bincount(xp.concatenate(of_steps), each, len(starts)).astype("f"), scored


def extend_at_once(
    scorer: Scorer, reduced: Array, barriers: Barriers, starts: Array, labels: Array, with_scores: bool
) -> tuple[Array, Array | None, int]:
    """Do what `extend_step_by_step` does without a loop over the steps.

    The states of an open entity do not depend on one another (see `_extend_one`). So a GPU scores those of all steps,
    most of them in vain, and each entity ends at the first that closes it. There is nothing to wait for.
    """
    xp, steps = scorer.xp, SPECULATIVE_STEPS
    ends, logs = xp.full(starts.shape, _OPEN), xp.zeros(starts.shape, dtype="f") if with_scores else None
    first, offsets = scorer.project_first(reduced, starts), xp.arange(1, steps + 1)
    size = max(len(reduced), LEAST_GPU_STATES) // steps
    for begin in range(0, len(starts), size):
        block = slice(begin, begin + size)
        # beyond its document, which ends with a token that closes, a state means nothing and is never looked at
        current = xp.minimum(starts[block][:, None] + offsets, len(reduced) - 1)  # (m, steps)
        must_close, states = barriers.must_close[current], current.reshape(-1)
        of_states = xp.repeat(labels[block], steps)
        inside, last = scorer.score_inside(reduced, states, xp.repeat(first[block], steps, axis=0), of_states)
        closes = scorer.prefers_last(inside, last, of_states).reshape(current.shape) | must_close
        closing, closed = closes.argmax(axis=1)[:, None], closes.any(axis=1)
        ends[block] = xp.where(closed, starts[block] + closing[:, 0] + 2, _OPEN)
        if logs is not None:
            each = _log_sigmoid(xp, _margins(xp, inside, last, must_close.reshape(-1))).reshape(current.shape)
            taken = (offsets[None, :] <= closing + 1) | ~closed[:, None]
            logs[block] = xp.where(taken, each, xp.float32(0)).sum(axis=1)
    return ends, logs, steps * len(starts)


class _Extension(NamedTuple):
    """What became of a candidate that is open after the speculative steps."""

    end: int
    log: float  # logarithm of the probability of the further actions; 0 if it is not asked for
    scored: int  # states


def _extend_one(scorer: Scorer, reduced: Array, barriers: Barriers, candidates: Spans, number: int) -> _Extension:
    """Find the end of a candidate.

    The states of later tokens do not depend on decisions in between. While the entity is open, a state consists of the
    current token, the one before it, and the first token of the entity. So many states are scored at once, and the
    entity ends at the first token that closes it.
    """
    xp = scorer.xp
    start, label = int(candidates.starts[number]), int(candidates.labels[number])
    first = scorer.project_first(reduced, xp.arange(start, start + 1))
    begin, size, scored, log = start + 1 + SPECULATIVE_STEPS, FIRST_EXTENSION, 0, 0.0
    while True:
        current = xp.arange(begin, min(begin + size, len(barriers.must_close)))
        labels, must_close = xp.full(current.shape, label), barriers.must_close[current]
        scored += len(current)
        inside, last = scorer.score_inside(reduced, current, first, labels)
        closing = to_host(xp.flatnonzero(scorer.prefers_last(inside, last, labels) | must_close))
        taken = int(closing[0]) + 1 if len(closing) else len(current)
        if candidates.logs is not None:
            log += float(_log_sigmoid(xp, _margins(xp, inside, last, must_close))[:taken].sum())
        if len(closing):
            return _Extension(begin + taken, log, scored)
        begin, size = begin + size, min(2 * size, LARGEST_EXTENSION)
