"""What tests of the fused engine compare it with: stock spaCy, and a plain decode for gaps between scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from shardner.annotate.near_ties import NEAR_TIE, find_gap
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Entity
from shardner.engine.fused.engine import FusedEngine
from shardner.engine.stock import StockEngine


@dataclass
class Comparison:
    """Documents annotated by both engines."""

    documents: int = 0
    entities: int = 0
    near_ties: list[tuple[int, float]] = field(default_factory=list)  # document, score gap
    wrong: list[str] = field(default_factory=list)


@dataclass
class ScoreComparison:
    """Entities that both engines find, by whether they have scores."""

    scored: int = 0
    unscored: int = 0
    wrong: list[str] = field(default_factory=list)


def compare(nlp: Any, texts: Sequence[str], *, batch_tokens: int | None = None) -> Comparison:
    """Annotate texts with both engines."""
    engine = FusedEngine(nlp, batch_tokens)
    fused = fused_entities(engine, texts)
    del engine  # with its memory zone
    result = Comparison()
    for number, (doc, ours) in enumerate(zip(nlp.pipe(texts), fused, strict=True)):
        theirs = [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
        result.documents += 1
        result.entities += len(theirs)
        if ours != theirs:
            gap = find_gap(nlp, texts[number], theirs, ours)
            if gap < NEAR_TIE:
                result.near_ties.append((number, gap))
            else:
                result.wrong.append(f"{texts[number]!r}\n  stock {theirs}\n  fused {ours}\n  score gap {gap}")
    return result


def fused_entities(engine: Any, texts: Sequence[str]) -> list[list[Entity]]:
    """Return each text's entities."""
    found = engine.annotate(texts, Stopwatch())
    assert not found.failed
    rows = list(zip(found.starts.tolist(), found.ends.tolist(), found.labels, strict=True))
    return [rows[found.offsets[i] : found.offsets[i + 1]] for i in range(len(texts))]


def compare_scores(
    nlp: Any, texts: Sequence[str], *, batch_tokens: int | None = None, tolerance: float = 1e-4
) -> ScoreComparison:
    """Compare the scores of the fused engine with those of the reference, where both find the same entity."""
    engine = FusedEngine(nlp, batch_tokens, attributes=["score"])
    fused = scores_of(engine.annotate(texts, Stopwatch()), len(texts))
    del engine  # with its memory zone
    stock = scores_of(StockEngine(nlp, attributes=["score"]).annotate(texts, Stopwatch()), len(texts))
    result = ScoreComparison()
    for text, ours, theirs in zip(texts, fused, stock, strict=True):
        for entity in ours.keys() & theirs.keys():
            score, expected = ours[entity], theirs[entity]
            if math.isnan(score) and math.isnan(expected):
                result.unscored += 1
                continue
            result.scored += 1
            if not (0 < score <= 1 and 0 < expected <= 1 and abs(score - expected) <= tolerance):
                result.wrong.append(f"{text!r}\n  {entity}: fused {score}, reference {expected}")
    return result


def scores_of(found: Annotations, texts: int) -> list[dict[Entity, float]]:
    """Return each text's entities with their scores."""
    assert not found.failed
    scores = np.asarray(found.attributes.get("score", np.empty(0, np.float32)))
    assert scores.dtype == np.float32 and len(scores) == len(found.starts)
    return [
        dict(zip(found.entities_of(row) or (), scores[first:last].tolist(), strict=True))
        for row, (first, last) in zip(range(texts), pairwise(found.offsets.tolist()), strict=True)
    ]
