"""The audit: stock spaCy annotates some windows again, in the same job, and the answers are compared.

`draw` decides which windows. A difference is tolerated only where it is a near-tie: two actions of the recogniser
score so nearly alike that the last bits of a sum decide between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shardner.annotate.comparison import REMEMBERS, Verdict, compare_entities, show_difference
from shardner.annotate.near_ties import NEAR_TIE
from shardner.data.metrics import Totals
from shardner.engine.annotations import Annotations, Entity
from shardner.engine.failures import FAILURES, is_documents_own
from shardner.engine.stock import annotate_one
from shardner.errors import AnnotateError

if TYPE_CHECKING:
    from spacy.language import Language


def audit(
    nlp: Language, ids: Sequence[str], texts: Sequence[str], annotations: Annotations, near_tie: float = NEAR_TIE
) -> Totals:
    """Annotate texts again with stock spaCy and compare; return how many were audited, identical and near-ties.

    A text on which both fail has no entities to compare: it is not counted.

    Args:
        nlp: the pipeline.
        ids: the id of each text's document, for an error.
        texts: what was annotated: whole documents, or windows as documents by themselves.
        annotations: what is audited, by text.
        near_tie: a score gap below this is a near-tie.

    Raises:
        AnnotateError: an answer differs by more than a near-tie. The error shows the document's id and both answers.
    """
    verdicts: Counter[Verdict] = Counter()
    for row, (name, text) in enumerate(zip(ids, texts, strict=True)):
        ours, theirs = annotations.entities_of(row), _annotate_plainly(nlp, text)
        if ours is None and theirs is None:
            continue
        comparison = compare_entities(nlp, text, ours, theirs, near_tie)
        if comparison.verdict is Verdict.DIFFERENT:
            remembers = _annotate_plainly(nlp, text) != theirs
            raise AnnotateError(_describe(name, text, ours, theirs, comparison.gap, remembers=remembers))
        verdicts[comparison.verdict] += 1
    return Totals(audited=verdicts.total(), identical=verdicts[Verdict.IDENTICAL], near_ties=verdicts[Verdict.NEAR_TIE])


def _annotate_plainly(nlp: Language, text: str) -> list[Entity] | None:
    """Return the entities that stock spaCy finds, None where it fails: such a document is rejected."""
    try:
        return annotate_one(nlp, text).entities()
    except FAILURES as error:
        if not is_documents_own(error):
            raise
        return None


def _describe(
    name: str, text: str, ours: list[Entity] | None, theirs: list[Entity] | None, gap: float, *, remembers: bool
) -> str:
    failure = [] if ours is not None and theirs is not None else ["one of the two failed on it"]
    lines = [
        f"the audit found a document whose entities differ from stock spaCy's by more than rounding explains "
        f"(score gap {gap:.2g}): {name!r}",
        *(f"  {line}" for line in [*failure, *show_difference(text, ours, theirs, "this engine")]),
        REMEMBERS if remembers else "Please report it with the pipeline; meanwhile write:   ner: {engine: spacy}",
    ]
    return "\n".join(lines)
