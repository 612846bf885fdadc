"""Two answers for one text: do they differ, is the difference a near-tie, and how is it shown?

The audit and the verification both compare with stock spaCy in this way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from shardner.annotate.near_ties import NEAR_TIE, find_gap
from shardner.engine.annotations import Entity
from shardner.terminal.visible_text import show_controls

if TYPE_CHECKING:
    from spacy.language import Language

#: How many entities of one answer are shown.
SHOWN = 12
#: What an error says where a pipeline gives two answers for one text.
REMEMBERS = (
    "Asked again about one of these texts, spaCy gave another answer: a component of the pipeline remembers earlier "
    "texts, or draws at random. What it finds depends on the order of the documents; mend the component, or leave it "
    "out with model.components"
)


class Verdict(Enum):
    """How two answers compare."""

    IDENTICAL = auto()
    NEAR_TIE = auto()  # they differ, but two actions of the recogniser score so nearly alike that rounding decides
    DIFFERENT = auto()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A verdict, and the score gap that it takes to explain a difference (see `find_gap`).

    The gap is infinity where the answers are identical, or where no score explains the difference.
    """

    verdict: Verdict
    gap: float = math.inf


def compare_entities(
    nlp: Language,
    text: str,
    ours: Sequence[Entity] | None,
    theirs: Sequence[Entity] | None,
    near_tie: float = NEAR_TIE,
) -> Comparison:
    """Compare two answers for a text. An answer is None where the pipeline failed on the text.

    Args:
        nlp: the pipeline.
        text: what was annotated.
        ours: the entities to be checked.
        theirs: the entities that stock spaCy finds.
        near_tie: a score gap below this is a near-tie.
    """
    if ours == theirs:
        return Comparison(Verdict.IDENTICAL)
    gap = math.inf if ours is None or theirs is None else find_gap(nlp, text, theirs, ours)
    return Comparison(Verdict.NEAR_TIE if gap < near_tie else Verdict.DIFFERENT, gap)


def show_difference(
    text: str, ours: Sequence[Entity] | None, theirs: Sequence[Entity] | None, finder: str, other: str = "stock spaCy"
) -> list[str]:
    """Return a line with the entities that only `other` finds, and one with those that only `finder` finds."""
    found, expected = Counter(ours or ()), Counter(theirs or ())
    if ours and found == expected:
        return ["its entities are not in the order of the text"]
    return [
        f"only {other}: {_show_entities(text, expected - found)}",
        f"only {finder}: {_show_entities(text, found - expected)}",
    ]


def _show_entities(text: str, entities: Counter[Entity]) -> str:
    rows = sorted(entities.elements())
    shown = [f"{show_controls(label)} {text[start:end]!r} {start}-{end}" for start, end, label in rows[:SHOWN]]
    return (", ".join(shown) or "nothing") + (f", {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")
