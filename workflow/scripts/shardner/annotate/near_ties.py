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


def find_gap(nlp: Any, text: str, theirs: Sequence[Entity], ours: Sequence[Entity]) -> float:
    """Return the score gap that it takes to explain the difference of two answers by the order of sums.

    The answers are read as actions of the recogniser. From the first token where they differ to the place where both
    are outside of an entity again, each is followed along its own states: an action's gap is the score of the best
    valid action less its own. Where both have come together, the next difference is another one. The result is the
    largest gap of all. It is infinity where something other than the recogniser's actions is different.

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
    answers = [_find_actions(doc, theirs), _find_actions(doc, ours)]
    if None in answers:
        return math.inf
    actions = [answer for answer in answers if answer is not None]
    stretches = _find_stretches(*actions)
    if not stretches:
        return math.inf
    gaps = [_find_gaps(recogniser, doc, answer, stretches) for answer in actions]
    return max(map(max, gaps))


def _find_stretches(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Return from which token to which two answers differ, each time until both are outside of an entity again."""
    stretches: list[tuple[int, int]] = []
    begin: int | None = None
    for i, pair in enumerate(zip(left, right, strict=True)):
        if begin is None and pair[0] != pair[1]:
            begin = i
        if begin is not None and not any(action[0] in "BI" for action in pair):  # no entity goes on after this token
            stretches.append((begin, i + 1))
            begin = None
    return stretches


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


def _find_gaps(recogniser: Any, doc: Any, actions: Sequence[str], stretches: Sequence[tuple[int, int]]) -> list[float]:
    """Return for each action of a decode within `stretches` by how much the best valid action scores above it."""
    moves = recogniser.moves
    names = [moves.get_class_name(number) for number in range(moves.n_moves)]
    numbers = {name: number for number, name in enumerate(names)}
    unseen = set(recogniser.model.attrs["unseen_classes"])
    vectors = recogniser.model.get_ref("tok2vec").predict([doc]).astype("d")
    within = {i for begin, end in stretches for i in range(begin, end)}
    gaps: list[float] = []
    first = -1
    for i, action in enumerate(actions):
        if i in within:
            opened = actions[first][2:] if first >= 0 else None
            valid = [n for n, name in enumerate(names) if n not in unseen and _is_valid(name, doc, i, opened)]
            if numbers.get(action) not in valid:  # an entity that another component wrote
                return [math.inf]
            scores = _score(recogniser.model, vectors, (i, first, i - 1 if first >= 0 else -1))
            gaps.append(float(scores[valid].max() - scores[numbers[action]]))
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
