"""Texts that come several times are annotated once: all texts within a block, and short texts across blocks.

Transaction records and messages repeat, and the entities of a text depend on nothing but the text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Engine

#: Characters of the longest text that is remembered from block to block.
LONGEST_CHARS = 1_000
#: Memory of the texts that one worker remembers, at most.
MEMORY_BYTES = 8 << 20
#: Memory that a remembered text takes besides its characters, about.
OVERHEAD_BYTES = 800


class Reuse:
    """An engine that remembers texts, and asks another engine for those that it does not know."""

    def __init__(self, engine: Engine, memory_bytes: int = MEMORY_BYTES) -> None:
        self._engine = engine
        # by text, oldest first: annotations, and the number of the text in them
        self._memory: dict[str, tuple[Annotations, int]] = {}
        self._bytes = 0
        self._memory_bytes = memory_bytes
        self.reused = 0  # texts whose entities were not computed again

    def annotate(self, texts: Sequence[str], watch: Stopwatch) -> Annotations:
        """See `Engine`."""
        slots: dict[str, int] = {}
        rows = np.array([slots.setdefault(text, len(slots)) for text in texts], dtype=np.int64)
        known = [text for text in slots if text in self._memory]
        new = [text for text in slots if text not in self._memory]
        self.reused += len(texts) - len(new)
        fresh = self._engine.annotate(new, watch)
        parts = [fresh, *map(self._recall, known)]
        self._remember(new, fresh)
        if not known and len(new) == len(texts):
            return fresh
        place = {text: i for i, text in enumerate([*new, *known])}
        order = np.array([place[text] for text in slots], dtype=np.int64)
        return Annotations.concatenate(parts).take(order[rows])

    def _recall(self, text: str) -> Annotations:
        """Return the annotations of a remembered text, and make the text the youngest."""
        annotations, row = self._memory.pop(text)
        if len(annotations.tokens) > 1:  # so that a text that comes again and again keeps no other text in memory
            annotations, row = annotations.take(np.array([row])), 0
        self._memory[text] = annotations, row
        return annotations

    def _remember(self, texts: Sequence[str], annotations: Annotations) -> None:
        """Remember the short ones of texts that were just annotated, and forget the oldest if there are too many."""
        short = np.array([row for row, text in enumerate(texts) if len(text) <= LONGEST_CHARS], dtype=np.int64)
        if len(short) < len(texts):
            annotations = annotations.take(short)  # so that the entities of long texts are not kept
        for row, number in enumerate(short.tolist()):
            self._memory[texts[number]] = annotations, row
            self._bytes += len(texts[number]) + OVERHEAD_BYTES
        while self._bytes > self._memory_bytes:
            oldest = next(iter(self._memory))
            del self._memory[oldest]
            self._bytes -= len(oldest) + OVERHEAD_BYTES
