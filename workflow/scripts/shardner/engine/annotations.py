"""What an engine gives back: columns over texts and over entities, no object a token or an entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shardner.metrics import Stopwatch

UInt32s = npt.NDArray[np.uint32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Annotations:
    """Entities of n texts, by text and within a text in the order of `Doc.ents`.

    The entities of text i are those from ``offsets[i]`` to ``offsets[i + 1]``.
    """

    tokens: UInt32s  # (n,) tokens of each text
    offsets: Int64s  # (n + 1,)
    starts: UInt32s  # (m,) code points, half-open with `ends`
    ends: UInt32s  # (m,)
    labels: Sequence[str]  # (m,)
    failed: Mapping[int, str] = field(default_factory=dict)  # reason by text; such a text has no tokens here

    def take(self, rows: Int64s) -> Annotations:
        """Return the annotations of texts `rows` (which may repeat), in that order."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        # entity k of row r stands at offsets[r] + k: repeat each row's shift, then count up
        picked = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Annotations(
            tokens=self.tokens[rows],
            offsets=offsets,
            starts=self.starts[picked],
            ends=self.ends[picked],
            labels=[self.labels[entity] for entity in picked],
            failed={new: self.failed[old] for new, old in enumerate(rows.tolist()) if old in self.failed},
        )


class Engine(Protocol):
    """Turns texts into entities, exactly as one process running ``nlp.pipe`` would."""

    def annotate(self, texts: Sequence[str], watch: Stopwatch) -> Annotations:
        """Annotate texts, adding the seconds by phase to `watch`; a text that fails is named, not raised."""
        ...
