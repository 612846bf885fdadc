"""What tests of the fused engine compare it with: stock spaCy, and a plain decode for gaps between scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shardner.annotate.near_ties import NEAR_TIE, first_gap
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Entity
from shardner.engine.fused.engine import FusedEngine


@dataclass
class Comparison:
    """Documents annotated by both engines."""

    documents: int = 0
    entities: int = 0
    near_ties: list[tuple[int, float]] = field(default_factory=list)  # document, score gap
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
            gap = first_gap(nlp, texts[number], theirs, ours)
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
