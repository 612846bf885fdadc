"""One document compared: what the results say about it, with what stock spaCy finds in its whole text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shardner.annotate.comparison import SHOWN, Verdict, compare_entities, show_difference
from shardner.annotate.near_ties import NEAR_TIE
from shardner.engine.annotations import Entity
from shardner.stages.verify.findings import Difference, Findings
from shardner.terminal.numbers import plural
from shardner.terminal.visible_text import one_line

if TYPE_CHECKING:
    from spacy.language import Language

#: A line about a difference is cut to so many characters.
LINE_CHARS = 2_000


class WholeDocument(NamedTuple):
    """A document as the split wrote it, whole."""

    doc: int
    id: str
    text: str


class EntityRow(NamedTuple):
    """An entity as the results have it."""

    id: str
    start: int
    end: int
    text: str
    label: str


class Answer(NamedTuple):
    """What the results say about a document."""

    id: str
    chars: int
    tokens: int
    entity_count: int  # in documents.parquet
    entities: list[EntityRow]  # in entities.parquet, in the order of that table


class Expected(NamedTuple):
    """What stock spaCy finds in a document."""

    tokens: int
    entities: list[Entity]


def compare(
    nlp: Language,
    document: WholeDocument,
    answer: Answer | None,
    expected: Expected | None,
    near_tie: float = NEAR_TIE,
) -> Findings:
    """Compare what the results say about a document with what stock spaCy finds in it.

    Args:
        nlp: the pipeline.
        document: what was annotated.
        answer: of the results; None where the document was rejected.
        expected: of stock spaCy; None where a component raised, as it must for a document that was rejected.
        near_tie: a score gap below this is a near-tie.
    """
    if answer is None or expected is None:
        return _make_findings(document, [] if answer is None and expected is None else [_describe_failure(answer)])
    facts = _facts(document, answer)
    faults = [f"{what}: {said!r}, should be {fact!r}" for what, said, fact in facts if said != fact]
    ours = [(row.start, row.end, row.label) for row in answer.entities]
    comparison = compare_entities(nlp, document.text, ours, expected.entities, near_tie)
    if comparison.verdict is Verdict.DIFFERENT:
        lines = show_difference(document.text, ours, expected.entities, "the results")
        explained = "" if math.isinf(comparison.gap) else f"  (score gap {comparison.gap:.2g})"
        faults += [lines[0] + explained, *lines[1:]]
    elif comparison.verdict is Verdict.IDENTICAL and answer.tokens != expected.tokens:
        faults.append(f"tokens: {answer.tokens}, should be {expected.tokens}")
    return _make_findings(document, faults, near_tie=comparison.verdict is Verdict.NEAR_TIE)


def _facts(document: WholeDocument, answer: Answer) -> Iterator[tuple[str, object, object]]:
    """Yield what a statement of the results is about, what it says, and what is true."""
    yield "id", answer.id, document.id
    yield "characters", answer.chars, len(document.text)
    yield "entities in documents.parquet", answer.entity_count, len(answer.entities)
    for row in answer.entities:
        yield f"id of entity {row.start}-{row.end}", row.id, document.id
        yield f"text of entity {row.start}-{row.end}", row.text, document.text[row.start : row.end]


def _describe_failure(answer: Answer | None) -> str:
    if answer is None:
        return "it is not among the documents, but stock spaCy annotates it"
    return f"it has {plural(len(answer.entities), 'entity', 'entities')}, but stock spaCy fails on it"


def _make_findings(document: WholeDocument, faults: Sequence[str], *, near_tie: bool = False) -> Findings:
    if faults:
        text = "\n".join(one_line(fault, LINE_CHARS) for fault in faults[:SHOWN])
        return Findings(verified=1, differing=1, differences=(Difference(document.doc, document.id, text),))
    return Findings(verified=1, near_ties=int(near_tie), identical=int(not near_tie))
