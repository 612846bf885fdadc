"""What tests of the fused engine compare it with: stock spaCy, and a plain decode for gaps between scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shardner.engine.fused.engine import FusedEngine
from shardner.metrics import Stopwatch

#: Two actions whose scores lie closer than this may change places with the last bits of a sum.
NEAR_TIE = 1e-4

Entity = tuple[int, int, str]  # in code points


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


def first_gap(nlp: Any, text: str, theirs: Sequence[Entity], ours: Sequence[Entity]) -> float:
    """Return by how much stock's action scores above the best other one, at the first token where answers differ."""
    _, recogniser = next((name, pipe) for name, pipe in nlp.pipeline if hasattr(pipe, "move_names"))
    doc = nlp.make_doc(text)
    for _, pipe in nlp.pipeline:
        if pipe is recogniser:
            break
        doc = pipe(doc)
    tags = [_tags(doc, entities) for entities in (theirs, ours)]
    first = next((i for i, (left, right) in enumerate(zip(*tags, strict=True)) if left != right), None)
    return float("inf") if first is None else plain_gaps(recogniser, doc, tags[0])[first]


def _tags(doc: Any, entities: Sequence[Entity]) -> list[str]:
    tags = ["O"] * len(doc)
    for start, end, label in entities:
        span = doc.char_span(start, end)
        assert span is not None, "an entity that is no run of tokens"
        inner = ["I"] * (len(span) - 2)
        actions = ["U"] if len(span) == 1 else ["B", *inner, "L"]
        tags[span.start : span.end] = [f"{action}-{label}" for action in actions]
    return tags


def plain_gaps(recogniser: Any, doc: Any, tags: Sequence[str]) -> list[float]:
    """Return, along the given actions, by how much each scores above the best other valid one; in double precision."""
    model = recogniser.model
    names = [recogniser.moves.get_class_name(i) for i in range(recogniser.moves.n_moves)]
    vectors = model.get_ref("tok2vec").predict([doc]).astype("d")
    lower = model.get_ref("lower")
    weights, bias, pad = (lower.get_param(name).astype("d") for name in ("W", "b", "pad"))
    gaps, first = [], -1
    for i, tag in enumerate(tags):
        places = (i, first, i - 1 if first >= 0 else -1)
        summed = bias + sum(pad[0, f] if place < 0 else weights[f] @ vectors[place] for f, place in enumerate(places))
        scores = summed.max(axis=-1)
        if model.attrs["has_upper"]:
            upper = model.get_ref("upper")
            scores = upper.get_param("W").astype("d") @ scores + upper.get_param("b")
        opened = tags[first][2:] if first >= 0 else None
        valid = [n for n, name in enumerate(names) if _is_valid(name, doc, i, opened) and n not in _unseen(model)]
        others = [scores[n] for n in valid if names[n] != tag]
        gaps.append(float(scores[names.index(tag)] - max(others)) if others else float("inf"))
        first = i if tag[0] == "B" else first if tag[0] == "I" else -1
    return gaps


def _unseen(model: Any) -> set[int]:
    return set(model.attrs["unseen_classes"])


def _is_valid(name: str, doc: Any, i: int, opened: str | None) -> bool:
    closes = i + 1 == len(doc) or doc[i + 1].is_sent_start is True
    if opened is not None:
        return name == f"L-{opened}" or (name == f"I-{opened}" and not closes)
    if name[0] in "BU":
        return name != "U-" and not doc[i].is_space and not (name[0] == "B" and closes)
    return name == "O"
