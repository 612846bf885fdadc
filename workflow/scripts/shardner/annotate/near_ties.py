"""How nearly two actions of a recogniser tied: its decode of one document, done again in double precision.

This is slow and simple on purpose. It explains a difference between two answers. No result is computed with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shardner.engine.annotations import Entity

#: Two actions whose scores are closer than this may change places when a sum is taken in another order.
NEAR_TIE = 1e-4


def first_gap(nlp: Any, text: str, theirs: Sequence[Entity], ours: Sequence[Entity]) -> float:
    """Return the score gap at the first token where two answers differ.

    The gap is the score of stock spaCy's action less that of the best other action. It is infinity where the answers
    differ by something other than the recogniser's actions.

    Args:
        nlp: the pipeline.
        text: what was annotated.
        theirs: the entities that stock spaCy finds.
        ours: the other answer.
    """
    from spacy.pipeline import EntityRecognizer

    doc = nlp.make_doc(text)
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, EntityRecognizer):
            recogniser = pipe
            break
        doc = pipe(doc)
    else:
        return math.inf
    their_actions, our_actions = _find_actions(doc, theirs), _find_actions(doc, ours)
    if their_actions is None or our_actions is None:
        return math.inf
    pairs = zip(their_actions, our_actions, strict=True)
    first = next((i for i, (left, right) in enumerate(pairs) if left != right), None)
    return math.inf if first is None else _find_gaps(recogniser, doc, their_actions)[first]


def _find_actions(doc: Any, entities: Sequence[Entity]) -> list[str] | None:
    """Return the action at each token; None where an entity does not begin and end with a token."""
    actions = ["O"] * len(doc)
    for start, end, label in entities:
        span = doc.char_span(start, end)
        if span is None:
            return None
        kinds = ["U"] if len(span) == 1 else ["B", *["I"] * (len(span) - 2), "L"]
        actions[span.start : span.end] = [f"{kind}-{label}" for kind in kinds]
    return actions


def _find_gaps(recogniser: Any, doc: Any, actions: Sequence[str]) -> list[float]:
    """Return for each action of a decode its score less that of the best other valid action."""
    moves = recogniser.moves
    names = [moves.get_class_name(number) for number in range(moves.n_moves)]
    unseen = set(recogniser.model.attrs["unseen_classes"])
    vectors = recogniser.model.get_ref("tok2vec").predict([doc]).astype("d")
    gaps: list[float] = []
    first = -1
    for i, action in enumerate(actions):
        if action not in names:  # an entity that another component wrote
            return [*gaps, *[math.inf] * (len(actions) - i)]
        scores = _score(recogniser.model, vectors, (i, first, i - 1 if first >= 0 else -1))
        opened = actions[first][2:] if first >= 0 else None
        others = [
            scores[number]
            for number, name in enumerate(names)
            if name != action and number not in unseen and _is_valid(name, doc, i, opened)
        ]
        gaps.append(float(scores[names.index(action)] - max(others)) if others else math.inf)
        first = i if action[0] == "B" else first if action[0] == "I" else -1
    return gaps


def _score(model: Any, vectors: npt.NDArray[np.float64], places: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the scores (actions,) in a state, given as the numbers of its feature tokens; -1 stands for no token."""
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
    """Tell whether an action may be taken at token `i`; `opened` is the label of the open entity."""
    closes = i + 1 == len(doc) or doc[i + 1].is_sent_start is True
    if opened is not None:
        return name == f"L-{opened}" or (name == f"I-{opened}" and not closes)
    if name[0] in "BU":
        return name != "U-" and not doc[i].is_space and not (name[0] == "B" and closes)
    return name == "O"
