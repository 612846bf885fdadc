"""The attribute ``score``: how decided the recogniser was about an entity.

The score of an entity is the product of probabilities, one per action of the recogniser that made the entity (U, or B
with the I and L that follow). The probability of an action is its softmax among the actions that are valid in its
state, and the states are those of the greedy parse. So a score lies above 0 and at most at 1. An action without an
alternative (L on the last token of a document, or before a sentence start) has the probability 1.

A score is no calibrated probability that the entity is right. It ranks entities of one pipeline. An entity has no score
if it does not come from the recogniser: where another component wrote it, or changed its span or label.

The fused engine scores actions anyway, and sums the logarithms of the probabilities (`fused.decode`). Here are the
scores of what spaCy's own recogniser finds. They are computed by `ReferenceDecode`, which takes about as long as the
recogniser.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shardner.engine.annotations import Annotations, Entity, TextEntities
from shardner.engine.pipes import run_pipes
from shardner.engine.reference_decode import RecogniserInput, ReferenceDecode, actions_of

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.pipeline import EntityRecognizer
    from spacy.tokens import Doc

log = logging.getLogger(__name__)

#: The attribute's name among the columns of entities.
SCORE = "score"
#: The least score. A product of many probabilities could become too small for a float, that is 0.
LEAST_SCORE = float(np.finfo(np.float32).tiny)

#: The scores of entities of one document; those that are not in it have none.
KnownScores: TypeAlias = Mapping[Entity, float]
Floats32: TypeAlias = npt.NDArray[np.float32]


def make_scores(nlp: Language, attributes: Sequence[str]) -> RecogniserScores | None:
    """Return what scores the entities of `nlp`; None if the score is not among the attributes asked for."""
    return RecogniserScores(nlp) if SCORE in attributes else None


def to_scores(logs: npt.NDArray[np.floating[Any]]) -> Floats32:
    """Return the scores (M,) for their logarithms (M,); NaN stays NaN."""
    scores: Floats32 = np.clip(np.exp(logs.astype("d")), LEAST_SCORE, 1).astype(np.float32)
    return scores


def add_scores(entities: TextEntities, known: KnownScores) -> TextEntities:
    """Return the entities of a text with the attribute score, float32; it is NaN where there is no score."""
    scores = np.array([known.get(each, np.nan) for each in entities.entities()], dtype=np.float32)
    return entities._replace(attributes={**entities.attributes, SCORE: scores})


def carry_scores(scored: Annotations, texts: Sequence[TextEntities]) -> list[TextEntities]:
    """Return the entities of n texts with the scores that the same entities have in `scored`, which has n texts too."""
    scores: Floats32 = np.asarray(scored.attributes[SCORE])
    known = [
        dict(zip(scored.entities_of(row) or (), scores[first:last].tolist(), strict=True))
        for row, (first, last) in enumerate(pairwise(scored.offsets.tolist()))
    ]
    return [add_scores(text, each) for text, each in zip(texts, known, strict=True)]


class RecogniserScores:
    """Runs a pipeline, and scores what its recogniser finds."""

    def __init__(self, nlp: Language) -> None:
        """Take a pipeline. The log says so if its entities can have no scores."""
        self._nlp = nlp
        found = _find_recogniser(nlp)
        if isinstance(found, str):
            log.warning("the entities of this pipeline have no scores: %s", found)
        self._recogniser = None if isinstance(found, str) else (found[0], ReferenceDecode(found[1]))

    def run(self, docs: Sequence[Doc], without: Sequence[str] = ()) -> tuple[list[Doc], list[KnownScores]]:
        """Run the components over tokenized documents, except those named in `without`, which come first.

        Returns:
            The documents, and for each the scores of the recogniser's entities.

        Raises:
            RuntimeError: a component dropped a document. Components may raise anything else.
        """
        if self._recogniser is None:
            return run_pipes(self._nlp, docs, without), [{}] * len(docs)
        name, reference = self._recogniser
        names = self._nlp.pipe_names
        before, after = names[: names.index(name)], names[names.index(name) + 1 :]
        if not set(before) <= set(without):
            docs = run_pipes(self._nlp, docs, [*without, name, *after])
        preset = [_places(doc) for doc in docs]
        seen = reference.read(docs)
        docs = run_pipes(self._nlp, docs, [*before, *after])
        known = [_score(reference, *each) for each in zip(docs, seen, preset, strict=True)]
        return run_pipes(self._nlp, docs, [*before, name]) if after else list(docs), known


def _score(
    reference: ReferenceDecode, doc: Doc, seen: RecogniserInput | None, preset: set[tuple[int, int]]
) -> KnownScores:
    """Return the scores of the entities of a document.

    Args:
        reference: of the recogniser.
        doc: what the recogniser annotated.
        seen: what it saw of the document.
        preset: start and end of the entities that were there before.
    """
    actions = ["O"] * len(doc)
    scored = []
    for entity in doc.ents:
        made = actions_of(len(entity), entity.label_)
        if (entity.start, entity.end) not in preset and all(map(reference.has_action, made)):
            actions[entity.start : entity.end] = made
            scored.append(entity)
    if seen is None or not scored:
        return {}
    logs = reference.log_probabilities(
        seen, actions, np.concatenate([np.arange(each.start, each.end) for each in scored])
    )
    first = np.cumsum([0, *map(len, scored[:-1])])
    scores = to_scores(np.add.reduceat(logs, first)).tolist()
    spans = [(entity.start_char, entity.end_char, entity.label_) for entity in scored]
    return dict(zip(spans, scores, strict=True))


def _places(doc: Doc) -> set[tuple[int, int]]:
    return {(entity.start, entity.end) for entity in doc.ents}


def _find_recogniser(nlp: Language) -> tuple[str, EntityRecognizer] | str:
    """Return the name and the component of a recogniser whose actions can be scored, or why there is none."""
    # not at the top: the fused engine imports the stock engine, which imports this module
    from shardner.engine.fused.layers import UnsupportedError
    from shardner.engine.fused.scorer import check_parser
    from shardner.engine.fused.support import find_recogniser

    try:
        name, recogniser = find_recogniser(nlp)
        check_parser(recogniser.model, recogniser.moves.n_moves)
    except UnsupportedError as reason:
        return str(reason)
    except (AttributeError, IndexError, KeyError, ValueError) as error:  # something expected is not there
        return f"a model of unknown structure ({type(error).__name__}: {error})"
    return name, recogniser
