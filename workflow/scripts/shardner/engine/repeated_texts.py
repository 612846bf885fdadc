"""Texts that come again are annotated once: within a block, and short ones within what a worker remembers.

Transaction records and messages repeat; the entities of a text depend on nothing but the text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Engine

#: Longer texts are not remembered from block to block.
LONGEST_CHARS = 1_000
#: What a worker remembers at most, and what a remembered text takes besides its characters, about.
MEMORY_BYTES = 8 << 20
OVERHEAD_BYTES = 800


class Reuse:
    """An engine before which a memory of texts stands."""

    def __init__(self, engine: Engine, memory_bytes: int = MEMORY_BYTES) -> None:
        self._engine = engine
        self._memory: dict[str, tuple[Annotations, int]] = {}  # text to where its annotations stand, oldest first
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
        return _concatenate(parts).take(order[rows])

    def _recall(self, text: str) -> Annotations:
        """Return what is remembered of a text, and move it to the young end."""
        annotations, row = self._memory.pop(text)
        if annotations.tokens.size > 1:  # so that a text that comes again and again keeps none of its neighbours
            annotations, row = annotations.take(np.array([row])), 0
        self._memory[text] = annotations, row
        return annotations

    def _remember(self, texts: Sequence[str], annotations: Annotations) -> None:
        short = np.array([row for row, text in enumerate(texts) if len(text) <= LONGEST_CHARS], dtype=np.int64)
        if len(short) < len(texts):
            annotations = annotations.take(short)  # without the entities of those that are not remembered
        for row, number in enumerate(short.tolist()):
            self._memory[texts[number]] = annotations, row
            self._bytes += len(texts[number]) + OVERHEAD_BYTES
        while self._bytes > self._memory_bytes:
            oldest = next(iter(self._memory))
            del self._memory[oldest]
            self._bytes -= len(oldest) + OVERHEAD_BYTES


def _concatenate(parts: Sequence[Annotations]) -> Annotations:
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    failed: dict[int, str] = {}
    texts = 0
    for part in parts:
        failed |= {texts + row: reason for row, reason in part.failed.items()}
        texts += part.tokens.size
    return Annotations(
        tokens=np.concatenate([part.tokens for part in parts]),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        starts=np.concatenate([part.starts for part in parts]),
        ends=np.concatenate([part.ends for part in parts]),
        labels=[label for part in parts for label in part.labels],
        failed=failed,
    )
