"""Annotating windows of long documents, so that the merge can make of them what the uncut document has.

A window is annotated with text of its neighbours on either side. With the fused engine what comes out are candidates:
all entities that could begin in the window, each as it is in the uncut document; the merge walks over them. With any
other engine it is the entities of the window and its margins; the merge finds a place near each cut at which neither
side has an entity open, and goes over from one to the other there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from shardner.annotate.surroundings import Surroundings
from shardner.corpus.window_cuts import find_first_clean, find_last_clean
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Engine, Int64s
from shardner.engine.fused.document_pieces import Candidates, Piece
from shardner.engine.fused.engine import FusedEngine
from shardner.engine.stock import describe
from shardner.gpu.halving import free_memory, is_out_of_memory

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)

#: Characters of a document whose candidates are found at once: long enough that margins cost little, and short enough
#: that a window of any length takes the memory of a few batches.
PIECE_CHARS = 1 << 15
#: Characters of the margins of a piece at first; they grow fourfold while a candidate is longer, and no further than
#: the last number says.
LEFT_CHARS, RIGHT_CHARS, LARGEST_MARGIN_CHARS = 256, 1024, 1 << 17
#: A smaller piece that does not fit the device's memory is an error.
LEAST_PIECE_CHARS = 1 << 10
#: Characters of the margins where two windows are joined between entities; the outer half of each is not relied on.
JOIN_MARGIN_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class WindowAnnotations:
    """What was found in n consecutive windows of a document. Offsets are into the document."""

    found: Annotations  # by window; its tokens are those that start in the window
    texts: Sequence[str]  # of the entities
    candidates: bool  # what was found are candidates, not entities
    entities: int  # how many there are, as far as can be told without the windows before
    unsure: Sequence[int] = field(default=())  # where text around a cut was too long to be looked at whole


def annotate_windows(
    nlp: Language, engine: Engine, windows: pl.DataFrame, surroundings: Surroundings, watch: Stopwatch
) -> WindowAnnotations:
    """Annotate consecutive windows of one document, with text around them.

    Args:
        nlp: the pipeline, of which the tokenizer is used.
        engine: over that pipeline.
        windows: rows of a shard.
        surroundings: the document's text around them.
        watch: takes the seconds by phase.
    """
    borders = [*windows["start"].to_list(), windows["start"][-1] + len(windows["text"][-1])]
    if isinstance(engine, FusedEngine) and engine.finds_candidates:
        return _find_candidates(engine, borders, surroundings, watch)
    return _annotate_with_margins(nlp, engine, borders, surroundings, watch)


class _Found(NamedTuple):
    """What one piece gave, with offsets into the document."""

    tokens: Int64s  # where they start
    rows: list[tuple[int, int, int, str]]  # start, end, label, text


def _find_candidates(
    engine: FusedEngine, borders: Sequence[int], surroundings: Surroundings, watch: Stopwatch
) -> WindowAnnotations:
    unsure: list[int] = []
    try:
        pieces = list(_find_by_piece(engine, borders[0], borders[-1], surroundings, watch, unsure))
    except Exception as error:  # a tokenizer may raise anything
        if is_out_of_memory(error):
            raise
        log.warning("windows at %d-%d of a document failed", borders[0], borders[-1], exc_info=True)
        return WindowAnnotations(_all_failed(len(borders) - 1, error), (), candidates=True, entities=0)
    tokens = np.concatenate([piece.tokens for piece in pieces])
    rows = [row for piece in pieces for row in piece.rows]
    starts = [row[0] for row in rows]
    found = Annotations(
        tokens=np.diff(np.searchsorted(tokens, borders)).astype(np.uint32),
        offsets=np.searchsorted(starts, borders).astype(np.int64),
        starts=np.array(starts, dtype=np.uint32),
        ends=np.array([row[1] for row in rows], dtype=np.uint32),
        labels=[engine.labels[row[2]] for row in rows],
    )
    entities = _count_reached((row[0], row[1]) for row in rows)
    return WindowAnnotations(found, [row[3] for row in rows], candidates=True, entities=entities, unsure=unsure)


def _count_reached(spans: Iterable[tuple[int, int]]) -> int:
    """Return how many candidates a walk from the first one takes."""
    count = free = 0
    for start, end in spans:
        if start >= free and end:
            count, free = count + 1, end
    return count


def _find_by_piece(
    engine: FusedEngine, begin: int, end: int, surroundings: Surroundings, watch: Stopwatch, unsure: list[int]
) -> Iterator[_Found]:
    """Yield the candidates from `begin` to `end`, piece by piece; enter where they are not sure."""
    size = PIECE_CHARS
    while begin < end:
        stop = min(begin + size, end)
        try:
            yield _find_in_core(engine, begin, stop, surroundings, watch, unsure)
        except Exception as error:
            if not is_out_of_memory(error) or size <= LEAST_PIECE_CHARS:
                raise
            message = str(error)
        else:
            begin = stop
            continue
        # here, where the traceback with its arrays is gone
        log.warning("%d characters do not fit the device's memory, trying half of them: %s", size, message)
        free_memory()
        size //= 2


def _find_in_core(
    engine: FusedEngine, begin: int, end: int, surroundings: Surroundings, watch: Stopwatch, unsure: list[int]
) -> _Found:
    """Find the candidates that begin from `begin` to `end`, with margins as wide as it takes."""
    left, right = LEFT_CHARS, RIGHT_CHARS
    while True:
        low, high, clean_left, clean_right = _find_margins(surroundings, begin, end, left, right)
        piece = Piece(
            surroundings.read(low, high), begin - low, end - low, at_start=low == 0, at_end=high == surroundings.chars
        )
        found = engine.find_candidates(piece, watch)
        wider_left = not (found.sure_left and clean_left) and left < LARGEST_MARGIN_CHARS
        wider_right = not (found.sure_right and clean_right) and right < LARGEST_MARGIN_CHARS
        if not wider_left and not wider_right:
            break
        left, right = left * (4 if wider_left else 1), right * (4 if wider_right else 1)
    if not (found.sure_left and clean_left):
        unsure.append(begin)
    if not (found.sure_right and clean_right):
        unsure.append(end)
    return _in_document(found, piece, low)


def _find_margins(
    surroundings: Surroundings, begin: int, end: int, left: int, right: int
) -> tuple[int, int, bool, bool]:
    """Return from where to where a piece's text goes, and whether it begins and ends where no token changes."""
    low, high = max(begin - left, 0), min(end + right, surroundings.chars)
    clean_left = clean_right = True
    if low > 0:
        # from a little before, for what stands before a cut is looked at
        start = max(low - left, 0)
        place = find_last_clean(surroundings.read(start, low + 1), 2, low - start)
        clean_left = place is not None
        low = start + place if place is not None else low
    if high < surroundings.chars:
        start = max(high - 2, 0)
        place = find_first_clean(surroundings.read(start, high + right + 1), 2, 2 + right)
        clean_right = place is not None
        high = start + place if place is not None else high
    return low, high, clean_left, clean_right


def _in_document(found: Candidates, piece: Piece, low: int) -> _Found:
    spans = zip(found.starts.tolist(), found.ends.tolist(), found.labels.tolist(), strict=True)
    rows = [
        (low + start, low + end if end else 0, label, piece.text[start:end] if end else "")
        for start, end, label in spans
    ]
    return _Found(found.tokens + low, rows)


def _annotate_with_margins(
    nlp: Language, engine: Engine, borders: Sequence[int], surroundings: Surroundings, watch: Stopwatch
) -> WindowAnnotations:
    places, texts, unsure = [], [], []
    for begin, end in pairwise(borders):
        low, high, clean_left, clean_right = _find_margins(
            surroundings, begin, end, JOIN_MARGIN_CHARS, JOIN_MARGIN_CHARS
        )
        unsure += [place for place, clean in ((begin, clean_left), (end, clean_right)) if not clean]
        places.append((low, begin, end))
        texts.append(surroundings.read(low, high))
    found = engine.annotate(texts, watch)
    counts = np.diff(found.offsets)
    shift = np.repeat(np.array([low for low, _, _ in places], dtype=np.int64), counts)
    numbers = np.repeat(np.arange(len(texts)), counts).tolist()
    spans = zip(numbers, found.starts.tolist(), found.ends.tolist(), strict=True)
    tokens = [
        0 if number in found.failed else _count_tokens(nlp, text, begin - low, end - low)
        for number, (text, (low, begin, end)) in enumerate(zip(texts, places, strict=True))
    ]
    in_document = Annotations(
        tokens=np.array(tokens, dtype=np.uint32),
        offsets=found.offsets,
        starts=(found.starts + shift).astype(np.uint32),
        ends=(found.ends + shift).astype(np.uint32),
        labels=found.labels,
        failed=found.failed,
    )
    own = np.repeat([[begin, end] for _, begin, end in places], counts, axis=0)
    entities = int(((in_document.starts >= own[:, 0]) & (in_document.starts < own[:, 1])).sum())
    found_texts = [texts[number][start:end] for number, start, end in spans]
    return WindowAnnotations(in_document, found_texts, candidates=False, entities=entities, unsure=unsure)


def _count_tokens(nlp: Language, text: str, begin: int, end: int) -> int:
    """Return how many tokens of a text start from `begin` to `end`."""
    first, last = np.searchsorted(nlp.make_doc(text).to_array("IDX"), [begin, end])
    return int(last - first)


def _all_failed(windows: int, error: Exception) -> Annotations:
    nothing = np.empty(0, dtype=np.uint32)
    return Annotations(
        tokens=np.zeros(windows, dtype=np.uint32),
        offsets=np.zeros(windows + 1, dtype=np.int64),
        starts=nothing,
        ends=nothing,
        labels=[],
        failed=dict.fromkeys(range(windows), describe(error)),
    )
