"""What an engine returns: columns over texts and columns over entities, with no object per token or per entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from shardner.data.stopwatch import Stopwatch

UInt32s: TypeAlias = npt.NDArray[np.uint32]
Int64s: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

#: An entity by itself: start and end in code points, label.
Entity: TypeAlias = tuple[int, int, str]

#: Further columns of entities by name, with one value per entity.
Attributes: TypeAlias = Mapping[str, npt.NDArray[Any] | Sequence[Any]]


class Places(NamedTuple):
    """Where the tokens and sentences of a text start, in code points of the text."""

    tokens: Int64s
    sentences: Int64s  # without the start of the first token, whether or not a sentence is said to start there


class TextEntities(NamedTuple):
    """The entities of one text, as columns."""

    tokens: int  # of the text
    starts: Sequence[int]  # code points; `ends` are exclusive
    ends: Sequence[int]
    labels: Sequence[str]
    attributes: Attributes = MappingProxyType({})
    spans: TextEntities | None = None  # of the span groups asked for, with the attributes `group` and `score`
    places: Places | None = None  # None if not asked for

    def entities(self) -> list[Entity]:
        """Return the entities one by one, without their attributes."""
        return list(zip(self.starts, self.ends, self.labels, strict=True))


_NO_PLACES = np.empty(0, dtype=np.int64)
#: A text without tokens and entities. It stands for a text that failed.
NOTHING = TextEntities(0, (), (), (), places=Places(_NO_PLACES, _NO_PLACES))


@dataclass(frozen=True, slots=True)
class Annotations:
    """The m entities of n texts: text after text, and within a text in the order of `Doc.ents`.

    The entities of text i are those from ``offsets[i]`` to ``offsets[i + 1]``. A text that failed has no tokens and no
    entities.
    """

    tokens: UInt32s  # (n,) number of tokens of each text
    offsets: Int64s  # (n + 1,)
    starts: UInt32s  # (m,) code points; `ends` are exclusive
    ends: UInt32s  # (m,)
    labels: Sequence[str]  # (m,)
    failed: Mapping[int, str] = field(default_factory=dict)  # the reason, by number of the text
    attributes: Attributes = field(default_factory=dict)  # further columns, (m,) each
    spans: Annotations | None = None  # spans of the groups asked for instead of entities, of the same n texts
    places: Sequence[Places] | None = None  # (n,); None if not asked for

    @classmethod
    def empty(cls, texts: int = 0, failed: Mapping[int, str] | None = None) -> Annotations:
        """Return the annotations of a number of texts without tokens and entities; `failed` gives reasons by text."""
        return cls.from_columns([NOTHING] * texts, failed)

    @classmethod
    def from_columns(cls, texts: Sequence[TextEntities], failed: Mapping[int, str] | None = None) -> Annotations:
        """Return the annotations of texts that were annotated one by one.

        Args:
            texts: the entities of each text; those of a text that failed are `NOTHING`.
            failed: the reasons of texts that failed, by number of the text.
        """
        return cls(
            tokens=np.array([each.tokens for each in texts], dtype=np.uint32),
            offsets=np.array([0, *accumulate(len(each.starts) for each in texts)], dtype=np.int64),
            starts=np.array([start for each in texts for start in each.starts], dtype=np.uint32),
            ends=np.array([end for each in texts for end in each.ends], dtype=np.uint32),
            labels=list(chain.from_iterable(each.labels for each in texts)),
            failed=dict(failed or {}),
            attributes=_concatenate_attributes([(each.attributes, len(each.starts)) for each in texts]),
            spans=(
                cls.from_columns([each.spans or NOTHING for each in texts])
                if any(each.spans is not None for each in texts)
                else None
            ),
            places=_concatenate_places([None if each.places is None else [each.places] for each in texts]),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Annotations]) -> Annotations:
        """Return the annotations of all texts of `parts`, part after part.

        Where a part lacks an attribute that another part has, its entities have None.
        """
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return parts[0]
        first_text = accumulate((len(part.tokens) for part in parts), initial=0)
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
            attributes=_concatenate_attributes([(part.attributes, len(part.starts)) for part in parts]),
            spans=(
                cls.concatenate([part.spans or cls.empty(len(part.tokens)) for part in parts])
                if any(part.spans is not None for part in parts)
                else None
            ),
            places=_concatenate_places([part.places for part in parts]),
        )

    def take(self, rows: Int64s) -> Annotations:
        """Return the annotations of the texts with numbers `rows`, in that order; a text may come several times."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.append(0, np.cumsum(counts))
        # entity k of row r is number offsets[r] + k: repeat the distance that each row moves, then count up
        picked = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Annotations(
            tokens=self.tokens[rows],
            offsets=offsets,
            starts=self.starts[picked],
            ends=self.ends[picked],
            labels=[self.labels[number] for number in picked.tolist()],
            failed={new: self.failed[old] for new, old in enumerate(rows.tolist()) if old in self.failed},
            attributes=_take_attributes(self.attributes, picked),
            spans=None if self.spans is None else self.spans.take(rows),
            places=None if self.places is None else [self.places[row] for row in rows.tolist()],
        )

    def shifted(self, by: Int64s) -> Annotations:
        """Return the same entities with starts and ends of text i moved by ``by[i]`` code points; `by` is (n,)."""
        shift = np.repeat(by, np.diff(self.offsets))
        return replace(
            self,
            starts=(self.starts + shift).astype(np.uint32),
            ends=(self.ends + shift).astype(np.uint32),
            spans=None if self.spans is None else self.spans.shifted(by),
            places=None
            if self.places is None
            else [
                Places(*(each + move for each in places)) for places, move in zip(self.places, by.tolist(), strict=True)
            ],
        )

    def filtered(self, chosen: Bools) -> Annotations:
        """Return some of the entities, those that `chosen` (m,) tells; without span groups."""
        numbers = np.flatnonzero(chosen)
        return Annotations(
            tokens=self.tokens,
            offsets=np.append(0, np.cumsum(chosen, dtype=np.int64))[self.offsets],
            starts=self.starts[chosen],
            ends=self.ends[chosen],
            labels=[self.labels[number] for number in numbers.tolist()],
            failed=self.failed,
            attributes=_take_attributes(self.attributes, numbers),
            places=self.places,
        )

    def rows(self) -> Int64s:
        """Return for each entity the number of its text, (m,)."""
        return np.repeat(np.arange(len(self.tokens)), np.diff(self.offsets))

    def entities_of(self, row: int) -> list[Entity] | None:
        """Return the entities of the text with number `row` without their attributes; None if the text failed."""
        if row in self.failed:
            return None
        first, last = self.offsets[row], self.offsets[row + 1]
        places = (self.starts[first:last].tolist(), self.ends[first:last].tolist())
        return list(zip(*places, self.labels[first:last], strict=True))


def _take_attributes(attributes: Attributes, numbers: Int64s) -> Attributes:
    """Return the further columns of the entities with these numbers."""
    return {
        name: values[numbers] if isinstance(values, np.ndarray) else [values[number] for number in numbers.tolist()]
        for name, values in attributes.items()
    }


def _concatenate_attributes(parts: Sequence[tuple[Attributes, int]]) -> Attributes:
    """Return the further columns of all parts, each given with the number of its entities."""
    return {
        # a part without entities does not decide on the type of a column that it does not have
        name: _concatenate_column([
            attributes.get(name, [None] * count) for attributes, count in parts if count or name in attributes
        ])
        for name in dict.fromkeys(name for attributes, _ in parts for name in attributes)
    }  # fmt: skip


def _concatenate_places(parts: Sequence[Sequence[Places] | None]) -> Sequence[Places] | None:
    """Return the places in all texts, part after part; None if those of any part are not known."""
    known = [part for part in parts if part is not None]
    return list(chain.from_iterable(known)) if len(known) == len(parts) else None


def _concatenate_column(columns: Sequence[npt.NDArray[Any] | Sequence[Any]]) -> npt.NDArray[Any] | Sequence[Any]:
    """Return an array if all columns are arrays, else a list."""
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    return np.concatenate(arrays) if len(arrays) == len(columns) else list(chain.from_iterable(columns))


class Engine(Protocol):
    """Turns texts into entities, exactly as one process that runs ``nlp.pipe`` over them."""

    def annotate(self, texts: Sequence[str], watch: Stopwatch, *, places: bool = False) -> Annotations:
        """Annotate texts, and add the seconds of each phase to `watch`.

        A text that fails does not raise: `Annotations.failed` gives the reason. With `places`, the result has
        `Annotations.places`.

        Raises:
            AnnotateError: an attribute that was asked for does not exist, or cannot be written.
        """
        ...
