"""How nearly actions of a recogniser tied, where two answers for one document differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from shardner.engine.annotations import Entity, Int64s
from shardner.engine.reference_decode import ReferenceDecode, find_actions

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
    their_actions, our_actions = find_actions(doc, theirs), find_actions(doc, ours)
    if their_actions is None or our_actions is None:
        return math.inf
    reference = ReferenceDecode(recogniser)
    [seen] = reference.read([doc])
    tokens = _find_differing(their_actions, our_actions)
    if seen is None or not len(tokens):
        return math.inf
    return max(float(reference.shortfalls(seen, actions, tokens).max()) for actions in (their_actions, our_actions))


def _find_differing(left: Sequence[str], right: Sequence[str]) -> Int64s:
    """Return the tokens from each difference of two answers on, until both are outside of an entity again."""
    tokens: list[int] = []
    parted = False
    for i, pair in enumerate(zip(left, right, strict=True)):
        parted |= pair[0] != pair[1]
        if parted:
            tokens.append(i)
            parted = any(action[0] in "BI" for action in pair)  # an entity goes on after this token
    return np.array(tokens, dtype=np.int64)
