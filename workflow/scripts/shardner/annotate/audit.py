"""The audit: a sample of the documents is annotated again by stock spaCy, in the same job, and compared.

The sample follows from the numbers of the documents, so it is the same for any sharding, but for one document a shard
that is always in it. Of long documents it is windows that are drawn. Of what is longer than stock spaCy has memory for,
the beginning is compared, as a document by itself. A difference is tolerated only where two actions of the recogniser
score so nearly alike that the last bits of a sum decide between them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shardner.annotate.near_ties import Entity, first_gap
from shardner.engine.annotations import Annotations
from shardner.engine.stock import annotate_one
from shardner.errors import AnnotateError

if TYPE_CHECKING:
    from spacy.language import Language

#: Actions whose scores lie closer than this may change places with the order in which a sum is taken.
NEAR_TIE = 1e-4
#: Entities of either answer that an error shows.
SHOWN = 12

UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Findings:
    """What an audit found; what is neither identical nor a near-tie is an error instead."""

    audited: int = 0
    identical: int = 0
    near_ties: int = 0

    def __add__(self, other: Findings) -> Findings:
        """Return the findings of both."""
        return Findings(
            self.audited + other.audited, self.identical + other.identical, self.near_ties + other.near_ties
        )


def sample_keys(docs: UInt64s, windows: npt.NDArray[np.integer]) -> UInt64s:
    """Return a number (N,) for each window of documents `docs`, to draw by: for the first one, the document's."""
    with np.errstate(over="ignore"):
        return docs + windows.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)  # small multiples of it lie far apart


def find_limit(keys: UInt64s, share: float) -> int | None:
    """Return the largest hash of windows that are audited: a `share` of all, and one of `keys` at least.

    None for a share of 0, and without windows.
    """
    if share == 0 or keys.size == 0:
        return None
    return max(math.ceil(share * 2**64) - 1, int(_hash(keys).min()))


def draw(keys: UInt64s, limit: int | None) -> Bools:
    """Tell which windows of `keys` (N,) are audited."""
    if limit is None:
        return np.zeros(keys.shape, dtype=np.bool_)
    return _hash(keys) <= np.uint64(min(limit, 2**64 - 1))


def _hash(docs: UInt64s) -> UInt64s:
    """Return the output of the SplitMix64 generator (Steele, Lea & Flood 2014) for each number as its state."""
    with np.errstate(over="ignore"):
        mixed = docs + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def audit(nlp: Language, ids: Sequence[str], texts: Sequence[str], annotations: Annotations) -> Findings:
    """Annotate texts again with `nlp` as it is, and compare.

    Args:
        nlp: the pipeline.
        ids: names of the documents, for an error.
        texts: what was annotated, each a document or a window.
        annotations: what is audited, by text.

    Raises:
        AnnotateError: an answer differs by more than a near-tie; shows the document's id and both answers.
    """
    identical = near_ties = 0
    for row, (name, text) in enumerate(zip(ids, texts, strict=True)):
        ours = None if row in annotations.failed else _entities(annotations, row)
        theirs = _annotate_plainly(nlp, text)
        if ours == theirs:
            identical += 1
            continue
        gap = math.inf if ours is None or theirs is None else first_gap(nlp, text, theirs, ours)
        if gap >= NEAR_TIE:
            raise AnnotateError(_difference(name, text, ours, theirs, gap))
        near_ties += 1
    return Findings(len(texts), identical, near_ties)


def _annotate_plainly(nlp: Language, text: str) -> list[Entity] | None:
    try:
        return annotate_one(nlp, text).entities()
    except Exception:  # a component may raise anything; the document is rejected for it
        return None


def _entities(annotations: Annotations, row: int) -> list[Entity]:
    first, last = annotations.offsets[row], annotations.offsets[row + 1]
    columns = (annotations.starts[first:last].tolist(), annotations.ends[first:last].tolist())
    return list(zip(*columns, annotations.labels[first:last], strict=True))


def _difference(name: str, text: str, ours: list[Entity] | None, theirs: list[Entity] | None, gap: float) -> str:
    found, expected = set(ours or ()), set(theirs or ())
    failure = "" if ours is not None and theirs is not None else "  one of the two failed on it\n"
    return (
        f"the audit found a document whose entities differ from stock spaCy's by more than rounding explains "
        f"(score gap {gap:.2g}): {name!r}\n"
        f"{failure}  only stock spaCy: {_show(text, expected - found)}\n"
        f"  only this engine: {_show(text, found - expected)}\n"
        f"Please report it with the pipeline; meanwhile write:   ner: {{engine: spacy}}"
    )


def _show(text: str, entities: set[Entity]) -> str:
    shown = [f"{label} {text[start:end]!r} {start}-{end}" for start, end, label in sorted(entities)[:SHOWN]]
    return ", ".join(shown) or "nothing"
