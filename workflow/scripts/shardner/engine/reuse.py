"""Texts that come again are annotated once: within a block, and short ones within what a worker remembers.

Transaction records and messages repeat; the entities of a text depend on nothing but the text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shardner.engine.annotations import Annotations, Engine
from shardner.metrics import Stopwatch

#: Longer texts are not remembered from block to block.
LONGEST_CHARS = 1_000
#: What a worker remembers at most, and what a remembered text takes besides its characters, about.
MEMORY_BYTES = 8 << 20
OVERHEAD_BYTES = 800


class Reuse:
    """An engine before which a memory of texts stands."""

    def __init__(self, engine: Engine, memory_bytes: int = MEMORY_BYTES) -> None:
        self._engine = engine
        self._memory: dict[str, Annotations] = {}
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
        parts = [fresh, *(self._memory[text] for text in known)]
        self._remember(new, fresh, known)
        if not known and len(new) == len(texts):
            return fresh
        place = {text: i for i, text in enumerate([*new, *known])}
        order = np.array([place[text] for text in slots], dtype=np.int64)
        return _concatenate(parts).take(order[rows])

    def _remember(self, new: Sequence[str], fresh: Annotations, known: Sequence[str]) -> None:
        for text in known:  # a text that came again moves to the young end
            self._memory[text] = self._memory.pop(text)
        for row, text in enumerate(new):
            if len(text) <= LONGEST_CHARS:
                self._memory[text] = _one(fresh, row)
                self._bytes += len(text) + OVERHEAD_BYTES
        while self._bytes > self._memory_bytes:
            oldest = next(iter(self._memory))
            del self._memory[oldest]
            self._bytes -= len(oldest) + OVERHEAD_BYTES


def _one(annotations: Annotations, row: int) -> Annotations:
    begin, end = annotations.offsets[row], annotations.offsets[row + 1]
    return Annotations(
        tokens=annotations.tokens[row : row + 1].copy(),
        offsets=np.array([0, end - begin], dtype=np.int64),
        starts=annotations.starts[begin:end].copy(),
        ends=annotations.ends[begin:end].copy(),
        labels=annotations.labels[begin:end],
        failed={0: annotations.failed[row]} if row in annotations.failed else {},
    )


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
