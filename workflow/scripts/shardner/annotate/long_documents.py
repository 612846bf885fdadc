"""The windows of long documents: annotated so that the merge can find the entities of the whole document.

A window is annotated with text of its neighbours on both sides. There are two ways.

- The fused engine gives candidates: all entities that could begin in the window, each as it is in the whole document.
  The merge walks over the candidates of all windows and takes those that are entities.
- Any other engine gives the entities of the window with its margins. The merge finds a place near each cut where no
  entity is open on either side. Before that place it takes the entities of one window, after it those of the next.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.annotate.shard_tables import texts_of_entities
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.annotate.surroundings import Surroundings
from shardner.corpus.window_cuts import find_first_clean, find_last_clean
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Attributes, Engine, Int64s, Places, UInt32s
from shardner.engine.attributes import SENTENCE
from shardner.engine.failures import FAILURES, is_documents_own
from shardner.engine.fused.document_pieces import Candidates, Piece
from shardner.engine.fused.engine import FusedEngine
from shardner.engine.scores import SCORE
from shardner.engine.stock import describe
from shardner.gpu.halving import free_memory, is_out_of_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WindowAnnotations:
    """What was found in n consecutive windows of a document. Offsets are code points of the document."""

    found: Annotations  # by window; its tokens are those that start in the window
    texts: Sequence[str]  # of the entities or candidates
    candidates: bool  # what was found are candidates, not entities
    entities: int  # how many entities there are, as far as that is known without the windows before
    unsure: Sequence[int] = ()  # cuts around which not all of the text that matters could be looked at
    span_texts: Sequence[str] = ()
    sentence_starts: UInt32s | None = None  # (n,) in each window, but for the document's first; None if not asked for


def annotate_windows(
    engine: Engine,
    windows: pl.DataFrame,
    surroundings: Surroundings,
    watch: Stopwatch,
    sizes: Sizes = DEFAULT_SIZES,
) -> WindowAnnotations:
    """Annotate consecutive windows of one document, with text around them.

    Args:
        engine: annotates.
        windows: rows of a shard.
        surroundings: the document's text around them.
        watch: takes the seconds by phase.
        sizes: of the job.
    """
    borders = [*windows["start"].to_list(), windows["start"][-1] + len(windows["text"][-1])]
    if isinstance(engine, FusedEngine) and engine.finds_candidates:
        return _CandidateSearch(engine, surroundings, watch, sizes).annotate(borders)
    return _annotate_with_margins(engine, borders, surroundings, watch, sizes.join_margin_chars)


class _Stretch(NamedTuple):
    """Text with margins: from where to where it goes in the document."""

    low: int
    high: int
    clean_left: bool  # no token changes where the text begins
    clean_right: bool  # no token changes where it ends


def _find_margins(surroundings: Surroundings, begin: int, end: int, left: int, right: int) -> _Stretch:
    """Return the text from `begin` to `end` with margins of about `left` and `right` code points.

    The text is cut where no token changes. Where there is no such place nearby, it is cut at any place.
    """
    low, high = max(begin - left, 0), min(end + right, surroundings.chars)
    clean_left = clean_right = True
    if low > 0:
        # the search begins a little before: what stands before a cut is looked at
        start = max(low - left, 0)
        place = find_last_clean(surroundings.read(start, low + 1), 2, low - start)
        clean_left = place is not None
        low = start + place if place is not None else low
    if high < surroundings.chars:
        start = max(high - 2, 0)
        place = find_first_clean(surroundings.read(start, high + right + 1), 2, 2 + right)
        clean_right = place is not None
        high = start + place if place is not None else high
    return _Stretch(low, high, clean_left, clean_right)


class _FoundCandidates(NamedTuple):
    """What was found in one piece or several. Offsets are code points of the document."""

    tokens: Int64s  # where the tokens start
    starts: Sequence[int]  # of the candidates
    ends: Sequence[int]  # 0 where the end is not known
    labels: Sequence[str]
    texts: Sequence[str]  # "" where the end is not known
    attributes: Attributes
    sentences: Int64s | None  # where sentences start; None if not asked for
    unsure: Sequence[int]  # ends of pieces next to which a candidate may be wrong


class _CandidateSearch:
    """Finds the candidates in windows of one document, piece by piece."""

    def __init__(self, engine: FusedEngine, surroundings: Surroundings, watch: Stopwatch, sizes: Sizes) -> None:
        self._engine, self._surroundings, self._watch, self._sizes = engine, surroundings, watch, sizes

    def annotate(self, borders: Sequence[int]) -> WindowAnnotations:
        """Return the candidates of n windows, given where each begins and where the last one ends (n + 1,)."""
        try:
            found = _join(list(self._find_by_piece(borders[0], borders[-1])))
        except FAILURES as error:
            if not is_documents_own(error):
                raise
            log.warning("windows at %d-%d of a document failed", borders[0], borders[-1], exc_info=True)
            windows = len(borders) - 1
            failed = dict.fromkeys(range(windows), describe(error))
            return WindowAnnotations(Annotations.empty(windows, failed), (), candidates=True, entities=0)
        annotations = Annotations(
            tokens=np.diff(np.searchsorted(found.tokens, borders)).astype(np.uint32),
            offsets=np.searchsorted(found.starts, borders).astype(np.int64),
            starts=np.array(found.starts, dtype=np.uint32),
            ends=np.array(found.ends, dtype=np.uint32),
            labels=found.labels,
            attributes=found.attributes,
        )
        sentences = None
        if found.sentences is not None:
            before = np.searchsorted(found.sentences, borders)
            sentences = np.diff(before).astype(np.uint32)
            numbers = np.searchsorted(found.sentences, found.starts, side="right") - before[annotations.rows()]
            annotations = replace(annotations, attributes={**found.attributes, SENTENCE: numbers.astype(np.int64)})
        return WindowAnnotations(
            annotations,
            found.texts,
            candidates=True,
            entities=_count_reached(zip(found.starts, found.ends, strict=True)),
            unsure=found.unsure,
            sentence_starts=sentences,
        )

    def _find_by_piece(self, begin: int, end: int) -> Iterator[_FoundCandidates]:
        """Yield the candidates from `begin` to `end`, with smaller pieces where the device's memory is too small."""
        size = self._sizes.piece_chars
        if self._engine.on_gpu:
            size = min(max(self._engine.batch_chars, size), self._sizes.gpu_piece_chars)
        while begin < end:
            stop = min(begin + size, end)
            try:
                yield self._find_in_piece(begin, stop)
            except Exception as error:
                if not is_out_of_memory(error) or size <= self._sizes.least_piece_chars:
                    raise
                message = str(error)
            else:
                begin = stop
                continue
            # not in the `except` block: there the traceback still holds the arrays
            log.warning("%d characters do not fit the device's memory, trying half of them: %s", size, message)
            free_memory()
            size //= 2
            self._engine.halve_batches()

    def _find_in_piece(self, begin: int, end: int) -> _FoundCandidates:
        """Find the candidates that begin from `begin` to `end`, with margins that grow until they are wide enough."""
        left, right = self._sizes.left_margin_chars, self._sizes.right_margin_chars
        largest = self._sizes.largest_margin_chars
        while True:
            low, high, clean_left, clean_right = _find_margins(self._surroundings, begin, end, left, right)
            text, chars = self._surroundings.read(low, high), self._surroundings.chars
            piece = Piece(text, begin - low, end - low, at_start=low == 0, at_end=high == chars)
            found = self._engine.find_candidates(piece, self._watch)
            sure_left, sure_right = found.sure_left and clean_left, found.sure_right and clean_right
            widens_left, widens_right = not sure_left and left < largest, not sure_right and right < largest
            if not widens_left and not widens_right:
                unsure = [place for place, sure in ((begin, sure_left), (end, sure_right)) if not sure]
                return _in_document(found, text, low, self._engine.labels, unsure)
            left, right = left * (4 if widens_left else 1), right * (4 if widens_right else 1)


def _in_document(
    found: Candidates, text: str, low: int, labels: Sequence[str], unsure: Sequence[int]
) -> _FoundCandidates:
    """Return the candidates of a piece, whose text begins at `low` in the document."""
    spans = list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
    return _FoundCandidates(
        tokens=found.tokens + low,
        starts=[low + start for start, _ in spans],
        ends=[low + end if end else 0 for _, end in spans],
        labels=[labels[label] for label in found.labels.tolist()],
        texts=[text[start:end] if end else "" for start, end in spans],
        attributes={} if found.scores is None else {SCORE: found.scores},
        sentences=None if found.sentences is None else found.sentences + low,
        unsure=unsure,
    )


def _join(pieces: Sequence[_FoundCandidates]) -> _FoundCandidates:
    sentences = [each.sentences for each in pieces if each.sentences is not None]
    return _FoundCandidates(
        tokens=np.concatenate([each.tokens for each in pieces]),
        starts=list(chain.from_iterable(each.starts for each in pieces)),
        ends=list(chain.from_iterable(each.ends for each in pieces)),
        labels=list(chain.from_iterable(each.labels for each in pieces)),
        texts=list(chain.from_iterable(each.texts for each in pieces)),
        attributes={
            name: np.concatenate([np.asarray(each.attributes[name]) for each in pieces])
            for name in pieces[0].attributes
        },
        sentences=np.concatenate(sentences) if sentences else None,
        unsure=list(chain.from_iterable(each.unsure for each in pieces)),
    )


def _count_reached(spans: Iterable[tuple[int, int]]) -> int:
    """Return how many candidates a walk takes that begins with the first one."""
    count = free = 0
    for start, end in spans:
        if start >= free and end:
            count, free = count + 1, end
    return count


def _select_in_cores(spans: Annotations, cores: Int64s) -> Annotations:
    """Return the spans that start in the core of their text, given begin and end of each core (n, 2)."""
    begins, ends = cores[spans.rows()].T
    return spans.filtered((spans.starts >= begins) & (spans.starts < ends))


def _count_in_cores(places: Sequence[Places], cores: Int64s) -> tuple[Int64s, Int64s]:
    """Return how many tokens and how many sentences start before begin and end of the core of each text, (n, 2) each.

    Args:
        places: where tokens and sentences start in each text.
        cores: begin and end of the core of each text, (n, 2).
    """
    pairs = list(zip(places, cores, strict=True))
    tokens = [np.searchsorted(each.tokens, core) for each, core in pairs]
    sentences = [np.searchsorted(each.sentences, core) for each, core in pairs]
    return np.array(tokens, dtype=np.int64), np.array(sentences, dtype=np.int64)


def _annotate_with_margins(
    engine: Engine, borders: Sequence[int], surroundings: Surroundings, watch: Stopwatch, margin: int
) -> WindowAnnotations:
    """Return the entities of windows with their margins, given where each window begins and the last one ends.

    Tokens, sentences and spans are those that start in the window.
    """
    windows = list(pairwise(borders))
    stretches = [_find_margins(surroundings, begin, end, margin, margin) for begin, end in windows]
    texts = [surroundings.read(each.low, each.high) for each in stretches]
    lows = np.array([each.low for each in stretches], dtype=np.int64)
    cores = np.array(windows) - lows[:, None]
    found = engine.annotate(texts, watch, places=True)
    spans = None if found.spans is None else _select_in_cores(found.spans, cores)
    tokens, sentences = _count_in_cores(found.places or (), cores)
    attributes = dict(found.attributes)
    if SENTENCE in attributes:
        attributes[SENTENCE] = np.asarray(attributes[SENTENCE]) - sentences[found.rows(), 0]
    in_document = replace(found, attributes=attributes, spans=spans).shifted(lows)
    begins, ends = np.array(windows)[found.rows()].T
    unsure = [
        place
        for each, (begin, end) in zip(stretches, windows, strict=True)
        for place, clean in ((begin, each.clean_left), (end, each.clean_right))
        if not clean
    ]
    return WindowAnnotations(
        replace(in_document, tokens=np.diff(tokens)[:, 0].astype(np.uint32), places=None),
        texts_of_entities(texts, found),
        candidates=False,
        entities=int(((in_document.starts >= begins) & (in_document.starts < ends)).sum()),
        unsure=unsure,
        span_texts=texts_of_entities(texts, spans) if spans is not None else (),
        sentence_starts=np.diff(sentences)[:, 0].astype(np.uint32),
    )
