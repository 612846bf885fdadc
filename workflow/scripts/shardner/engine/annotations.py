"""What an engine gives back: columns over texts and over entities, no object per token or per entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from shardner.data.stopwatch import Stopwatch

UInt32s = npt.NDArray[np.uint32]
Int64s = npt.NDArray[np.int64]

#: An entity by itself: start and end in code points, label.
Entity = tuple[int, int, str]

#: Further columns of entities, by name: a value for each entity.
Attributes = Mapping[str, Any]


class TextEntities(NamedTuple):
    """The entities of one text, as columns."""

    tokens: int  # of the text
    starts: Sequence[int]  # code points, half-open with `ends`
    ends: Sequence[int]
    labels: Sequence[str]
    attributes: Attributes = MappingProxyType({})


#: Of a text that has no entities and no tokens: what stands for one that failed.
NOTHING = TextEntities(0, (), (), ())


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
    attributes: Attributes = field(default_factory=dict)  # further columns, (m,) each

    @classmethod
    def empty(cls, texts: int = 0, failed: Mapping[int, str] | None = None) -> Annotations:
        """Return the annotations of texts without tokens or entities, of which some may have failed."""
        nothing = np.empty(0, dtype=np.uint32)
        return cls(
            tokens=np.zeros(texts, dtype=np.uint32),
            offsets=np.zeros(texts + 1, dtype=np.int64),
            starts=nothing,
            ends=nothing,
            labels=[],
            failed=failed or {},
        )

    @classmethod
    def from_columns(cls, texts: Sequence[TextEntities], failed: Mapping[int, str] | None = None) -> Annotations:
        """Return the annotations of texts that were annotated one by one; those in `failed` have none."""
        names = dict.fromkeys(name for each in texts for name in each.attributes)
        return cls(
            tokens=np.array([each.tokens for each in texts], dtype=np.uint32),
            offsets=np.array([0, *accumulate(len(each.starts) for each in texts)], dtype=np.int64),
            starts=np.array([start for each in texts for start in each.starts], dtype=np.uint32),
            ends=np.array([end for each in texts for end in each.ends], dtype=np.uint32),
            labels=list(chain.from_iterable(each.labels for each in texts)),
            failed=failed or {},
            attributes={name: _chain([(each.attributes, len(each.starts)) for each in texts], name) for name in names},
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Annotations]) -> Annotations:
        """Return the annotations of all texts of `parts`, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        first_text = [0, *accumulate(len(part.tokens) for part in parts)]
        names = dict.fromkeys(name for part in parts for name in part.attributes)
        return cls(
            tokens=np.concatenate([part.tokens for part in parts]),
            offsets=np.append(0, np.cumsum(np.concatenate([np.diff(part.offsets) for part in parts]))),
            starts=np.concatenate([part.starts for part in parts]),
            ends=np.concatenate([part.ends for part in parts]),
            labels=list(chain.from_iterable(part.labels for part in parts)),
            failed={
                first + row: reason
                for first, part in zip(first_text, parts, strict=False)
                for row, reason in part.failed.items()
            },
            attributes={name: _chain([(part.attributes, len(part.starts)) for part in parts], name) for name in names},
        )

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
            attributes={
                name: values[picked] if isinstance(values, np.ndarray) else [values[entity] for entity in picked]
                for name, values in self.attributes.items()
            },
        )

    def shifted(self, by: Int64s) -> Annotations:
        """Return the same with the offsets of text i moved by ``by[i]`` code points (n,)."""
        shift = np.repeat(by, np.diff(self.offsets))
        return replace(self, starts=(self.starts + shift).astype(np.uint32), ends=(self.ends + shift).astype(np.uint32))

    def rows(self) -> Int64s:
        """Return the text (m,) of each entity."""
        return np.repeat(np.arange(len(self.tokens)), np.diff(self.offsets))

    def entities_of(self, row: int) -> list[Entity] | None:
        """Return the entities of a text, None where it failed."""
        if row in self.failed:
            return None
        first, last = self.offsets[row], self.offsets[row + 1]
        places = (self.starts[first:last].tolist(), self.ends[first:last].tolist())
        return list(zip(*places, self.labels[first:last], strict=True))


def _chain(parts: Sequence[tuple[Attributes, int]], name: str) -> Any:
    """Return a further column of all parts; where a part does not have it, its entities (so many) have None."""
    columns = [attributes.get(name, [None] * count) for attributes, count in parts]
    if all(isinstance(column, np.ndarray) for column in columns):
        return np.concatenate(columns)
    return list(chain.from_iterable(columns))


class Engine(Protocol):
    """Turns texts into entities, exactly as one process running ``nlp.pipe`` would."""

    def annotate(self, texts: Sequence[str], watch: Stopwatch) -> Annotations:
        """Annotate texts, adding the seconds by phase to `watch`; a text that fails is named, not raised."""
        ...
