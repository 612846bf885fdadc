"""How nearly two actions of a recogniser tied, where two answers for one document differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from shardner.engine.annotations import Entity
from shardner.engine.reference_decode import find_actions, find_gaps

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
    their_actions, our_actions = find_actions(doc, theirs), find_actions(doc, ours)
    if their_actions is None or our_actions is None:
        return math.inf
    pairs = zip(their_actions, our_actions, strict=True)
    first = next((i for i, (left, right) in enumerate(pairs) if left != right), None)
    return math.inf if first is None else find_gaps(recogniser, doc, their_actions)[first]
