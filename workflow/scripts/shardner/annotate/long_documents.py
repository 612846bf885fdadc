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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from shardner.annotate.shard_tables import texts_of_entities
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.annotate.surroundings import Surroundings
from shardner.corpus.window_cuts import find_first_clean, find_last_clean
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Engine, Int64s, TextEntities
from shardner.engine.fused.document_pieces import Candidates, Piece
from shardner.engine.fused.engine import FusedEngine
from shardner.engine.stock import describe
from shardner.gpu.halving import free_memory, is_out_of_memory

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WindowAnnotations:
    """What was found in n consecutive windows of a document. Offsets are code points of the document."""

    found: Annotations  # by window; its tokens are those that start in the window
    texts: Sequence[str]  # of the entities or candidates
    candidates: bool  # what was found are candidates, not entities
    entities: int  # how many entities there are, as far as that is known without the windows before
    unsure: Sequence[int] = ()  # cuts around which not all of the text that matters could be looked at


def annotate_windows(
    nlp: Language,
    engine: Engine,
    windows: pl.DataFrame,
    surroundings: Surroundings,
    watch: Stopwatch,
    sizes: Sizes = DEFAULT_SIZES,
) -> WindowAnnotations:
    """Annotate consecutive windows of one document, with text around them.

    Args:
        nlp: the pipeline; only its tokenizer is used here.
        engine: annotates with that pipeline.
        windows: rows of a shard.
        surroundings: the document's text around them.
        watch: takes the seconds by phase.
        sizes: of the job.
    """
    borders = [*windows["start"].to_list(), windows["start"][-1] + len(windows["text"][-1])]
    if isinstance(engine, FusedEngine) and engine.finds_candidates:
        return _CandidateSearch(engine, surroundings, watch, sizes).annotate(borders)
    return _annotate_with_margins(nlp, engine, borders, surroundings, watch, sizes.join_margin_chars)


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
    unsure: Sequence[int]  # ends of pieces next to which a candidate may be wrong


class _CandidateSearch:
    """Finds the candidates in windows of one document, piece by piece."""

    def __init__(self, engine: FusedEngine, surroundings: Surroundings, watch: Stopwatch, sizes: Sizes) -> None:
        self._engine, self._surroundings, self._watch, self._sizes = engine, surroundings, watch, sizes

    def annotate(self, borders: Sequence[int]) -> WindowAnnotations:
        """Return the candidates of n windows, given where each begins and where the last one ends (n + 1,)."""
        try:
            found = _join(list(self._find_by_piece(borders[0], borders[-1])))
        except Exception as error:  # a tokenizer may raise anything
            if is_out_of_memory(error):
                raise
            log.warning("windows at %d-%d of a document failed", borders[0], borders[-1], exc_info=True)
            windows = len(borders) - 1
            failed = dict.fromkeys(range(windows), describe(error))
            return WindowAnnotations(Annotations.empty(windows, failed), (), candidates=True, entities=0)
        tokens = np.diff(np.searchsorted(found.tokens, borders)).tolist()
        places = pairwise(np.searchsorted(found.starts, borders).tolist())
        columns = [
            TextEntities(count, found.starts[first:last], found.ends[first:last], found.labels[first:last])
            for count, (first, last) in zip(tokens, places, strict=True)
        ]
        return WindowAnnotations(
            Annotations.from_columns(columns),
            found.texts,
            candidates=True,
            entities=_count_reached(zip(found.starts, found.ends, strict=True)),
            unsure=found.unsure,
        )

    def _find_by_piece(self, begin: int, end: int) -> Iterator[_FoundCandidates]:
        """Yield the candidates from `begin` to `end`, with smaller pieces where the device's memory is too small."""
        size = self._sizes.piece_chars
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
        unsure=unsure,
    )


def _join(pieces: Sequence[_FoundCandidates]) -> _FoundCandidates:
    tokens, *columns = zip(*pieces, strict=True)
    return _FoundCandidates(np.concatenate(tokens), *(list(chain.from_iterable(column)) for column in columns))


def _count_reached(spans: Iterable[tuple[int, int]]) -> int:
    """Return how many candidates a walk takes that begins with the first one."""
    count = free = 0
    for start, end in spans:
        if start >= free and end:
            count, free = count + 1, end
    return count


def _annotate_with_margins(
    nlp: Language, engine: Engine, borders: Sequence[int], surroundings: Surroundings, watch: Stopwatch, margin: int
) -> WindowAnnotations:
    """Return the entities of windows with their margins, given where each window begins and the last one ends."""
    windows = list(pairwise(borders))
    stretches = [_find_margins(surroundings, begin, end, margin, margin) for begin, end in windows]
    texts = [surroundings.read(each.low, each.high) for each in stretches]
    found = engine.annotate(texts, watch)
    tokens = [
        0 if row in found.failed else _count_tokens(nlp, text, begin - each.low, end - each.low)
        for row, (text, each, (begin, end)) in enumerate(zip(texts, stretches, windows, strict=True))
    ]
    lows = np.array([each.low for each in stretches], dtype=np.int64)
    in_document = replace(found.shifted(lows), tokens=np.array(tokens, dtype=np.uint32))
    begins, ends = np.array(windows)[found.rows()].T
    unsure = [
        place
        for each, (begin, end) in zip(stretches, windows, strict=True)
        for place, clean in ((begin, each.clean_left), (end, each.clean_right))
        if not clean
    ]
    return WindowAnnotations(
        in_document,
        texts_of_entities(texts, found),
        candidates=False,
        entities=int(((in_document.starts >= begins) & (in_document.starts < ends)).sum()),
        unsure=unsure,
    )


def _count_tokens(nlp: Language, text: str, begin: int, end: int) -> int:
    """Return how many tokens of a text start from `begin` to `end`."""
    first, last = np.searchsorted(nlp.make_doc(text).to_array("IDX"), [begin, end])
    return int(last - first)
