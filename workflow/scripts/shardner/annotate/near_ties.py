"""How nearly two actions of a recogniser tied: its decode once more, plainly, in double precision, for one document.

Slow and simple on purpose: it explains a difference between two answers, and computes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Entity = tuple[int, int, str]  # start and end in code points, label


def first_gap(nlp: Any, text: str, theirs: Sequence[Entity], ours: Sequence[Entity]) -> float:
    """Return by how much stock spaCy's action scores above the best other one, where two answers first differ.

    Infinity where the answers differ by something else than the recogniser's actions.
    """
    from spacy.pipeline import EntityRecognizer

    doc = nlp.make_doc(text)
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, EntityRecognizer):
            recogniser = pipe
            break
        doc = pipe(doc)
    else:
        return float("inf")
    tags = [_tags(doc, entities) for entities in (theirs, ours)]
    if None in tags:
        return float("inf")
    pairs = zip(*tags, strict=True)
    first = next((i for i, (left, right) in enumerate(pairs) if left != right), None)
    return float("inf") if first is None else _gaps(recogniser, doc, tags[0] or [])[first]


def _tags(doc: Any, entities: Sequence[Entity]) -> list[str] | None:
    """Return the action of each token, None where an entity is no run of tokens."""
    tags = ["O"] * len(doc)
    for start, end, label in entities:
        span = doc.char_span(start, end)
        if span is None:
            return None
        actions = ["U"] if len(span) == 1 else ["B", *["I"] * (len(span) - 2), "L"]
        tags[span.start : span.end] = [f"{action}-{label}" for action in actions]
    return tags


def _gaps(recogniser: Any, doc: Any, tags: Sequence[str]) -> list[float]:
    """Return, along the actions `tags`, by how much each scores above the best other valid one."""
    moves = recogniser.moves
    names = [moves.get_class_name(number) for number in range(moves.n_moves)]
    unseen = set(recogniser.model.attrs["unseen_classes"])
    vectors = recogniser.model.get_ref("tok2vec").predict([doc]).astype("d")
    gaps: list[float] = []
    first = -1
    for i, tag in enumerate(tags):
        if tag not in names:  # an entity that another component wrote
            return [*gaps, *[float("inf")] * (len(tags) - i)]
        scores = _score(recogniser.model, vectors, (i, first, i - 1 if first >= 0 else -1))
        opened = tags[first][2:] if first >= 0 else None
        others = [
            scores[number]
            for number, name in enumerate(names)
            if name != tag and number not in unseen and _is_valid(name, doc, i, opened)
        ]
        gaps.append(float(scores[names.index(tag)] - max(others)) if others else float("inf"))
        first = i if tag[0] == "B" else first if tag[0] == "I" else -1
    return gaps


def _score(model: Any, vectors: npt.NDArray[np.float64], places: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the scores of all actions in a state, given as its feature tokens; -1 is none."""
    lower = model.get_ref("lower")
    weights, summed, pad = (lower.get_param(name).astype("d") for name in ("W", "b", "pad"))
    for feature, place in enumerate(places):
        summed = summed + (pad[0, feature] if place < 0 else weights[feature] @ vectors[place])
    scores: npt.NDArray[np.float64] = summed.max(axis=-1)
    if model.attrs["has_upper"]:
        upper = model.get_ref("upper")
        scores = upper.get_param("W").astype("d") @ scores + upper.get_param("b")
    return scores


def _is_valid(name: str, doc: Any, i: int, opened: str | None) -> bool:
    closes = i + 1 == len(doc) or doc[i + 1].is_sent_start is True
    if opened is not None:
        return name == f"L-{opened}" or (name == f"I-{opened}" and not closes)
    if name[0] in "BU":
        return name != "U-" and not doc[i].is_space and not (name[0] == "B" and closes)
    return name == "O"
