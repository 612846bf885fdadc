"""The comparison of the results with what the whole pipeline found in the sample."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from shardner.annotate.comparison import REMEMBERS, Verdict, compare_entities
from shardner.data.pipeline_check import PipelineCheck
from shardner.data.tables import scan_table
from shardner.data.typed_json import write_json
from shardner.engine.annotations import Entity
from shardner.engine.failures import FAILURES, is_documents_own
from shardner.engine.stock import annotate_one
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, load_whole_pipeline
from shardner.stages.document_rows import select_documents
from shardner.stages.whole_pipeline.sample import SampledDocument, read_sample
from shardner.stages.whole_pipeline.wording import describe_check, describe_difference, describe_mending

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """How the results of a document compare with what the whole pipeline finds."""

    IDENTICAL = "identical"
    NEAR_TIE = "near_ties"
    LEFT_OUT = "left_out"
    FAILING = "failing"
    DIFFERENT = "different"


class Answer(NamedTuple):
    """A document of the sample, and its entities in the results; None where it was rejected."""

    document: SampledDocument
    ours: list[Entity] | None


def check_pipeline(sample: Path, documents: Path, entities: Path, pipeline: Pipeline, check: Path) -> PipelineCheck:
    """Compare the results with the sample and write the counts as JSON (`PipelineCheck`).

    Args:
        sample: of `annotate_sample`.
        documents: the run's table of documents.
        entities: the run's table of entities.
        pipeline: what annotated.
        check: where the counts go.

    Raises:
        ModelError: the pipeline cannot be loaded.
        VerifyError: a document differs, and nothing that was left out on purpose explains it.
    """
    answers = _read_answers(read_sample(sample), documents, entities)
    differing = [answer for answer in answers if answer.ours != answer.document.entities]
    outcomes = Counter({Outcome.IDENTICAL: len(answers) - len(differing)})
    if differing:
        nlp = load_whole_pipeline(pipeline)
        judged = [(answer, judge(nlp, pipeline, answer)) for answer in differing]
        outcomes.update(outcome for _, outcome in judged)
        if worst := [answer for answer, outcome in judged if outcome is Outcome.DIFFERENT]:
            if any(remembers(nlp, answer.document) for answer in worst):
                raise VerifyError(describe_difference(pipeline, worst, len(answers), REMEMBERS))
            mending = describe_mending(pipeline, find_line(nlp, pipeline, worst))
            raise VerifyError(describe_difference(pipeline, worst, len(answers), mending))
    found = PipelineCheck(
        documents=len(answers),
        chars=sum(len(answer.document.text) for answer in answers),
        identical=outcomes[Outcome.IDENTICAL],
        near_ties=outcomes[Outcome.NEAR_TIE],
        left_out=outcomes[Outcome.LEFT_OUT],
        failing=outcomes[Outcome.FAILING],
    )
    write_json(check, found)
    log.info(describe_check(found))
    return found


def judge(nlp: Language, pipeline: Pipeline, answer: Answer) -> Outcome:
    """Tell why a document differs; `nlp` is the whole pipeline."""
    document, ours = answer
    if document.entities is None:
        return Outcome.FAILING
    if compare_entities(nlp, document.text, ours, document.entities).verdict is Verdict.NEAR_TIE:
        return Outcome.NEAR_TIE
    spared = spared_components(pipeline)
    if spared or pipeline.mixed_precision:
        with nlp.select_pipes(disable=[name for name in spared if name in nlp.pipe_names]):
            without = annotate_relied_on(nlp, document)
            verdict = compare_entities(nlp, document.text, ours, without).verdict
        if verdict is not Verdict.DIFFERENT or pipeline.mixed_precision:
            return Outcome.LEFT_OUT
    return Outcome.DIFFERENT


def remembers(nlp: Language, document: SampledDocument) -> bool:
    """Tell whether a pipeline that is asked again gives other answers: a component remembers texts, or is random."""
    return any(annotate_relied_on(nlp, document) != document.entities for _ in range(2))


def spared_components(pipeline: Pipeline) -> list[str]:
    """Return the components that were left out on purpose: for speed, or because the user named others."""
    left_out = [each for each in pipeline.decisions if not each.kept]
    return [each.name for each in left_out if each.on_purpose or each.reason.startswith("not named")]


def find_line(nlp: Language, pipeline: Pipeline, answers: Sequence[Answer]) -> str | None:
    """Return the line of YAML that keeps what is missing: one component where one is enough; None if nothing helps.

    Args:
        nlp: the whole pipeline.
        pipeline: tells which components ran.
        answers: documents that differ.
    """
    left_out = [name for name in pipeline.left_out if name in nlp.pipe_names]
    for name in left_out:
        feeders = [other for other, pipe in nlp.pipeline if name in getattr(pipe, "listening_components", ())]
        kept = {*pipeline.components, name, *feeders}
        if all(_is_mended(nlp, answer, kept) for answer in answers):
            chosen = [each for each in nlp.component_names if each in kept]
            return f"model: {{components: [{', '.join(chosen)}]}}"
    return "model: {components: all}" if left_out else None


def _is_mended(nlp: Language, answer: Answer, kept: set[str]) -> bool:
    with nlp.select_pipes(disable=[name for name in nlp.pipe_names if name not in kept]):
        return annotate_relied_on(nlp, answer.document) == answer.document.entities


def annotate_relied_on(nlp: Language, document: SampledDocument) -> list[Entity] | None:
    """Return the entities of a sampled document that can be relied on; None where the pipeline fails."""
    try:
        found = annotate_one(nlp, document.text).entities()
    except FAILURES as error:
        if not is_documents_own(error):
            raise
        return None
    return [entity for entity in found if entity[1] <= document.relied_on]


def _read_answers(sample: Sequence[SampledDocument], documents: Path, entities: Path) -> list[Answer]:
    if not sample:
        return []
    docs = pl.Series([document.doc for document in sample], dtype=pl.UInt64).sort()
    there = set(select_documents(scan_table(documents), docs)["doc"])
    rows = select_documents(scan_table(entities), docs, "start", "end", pl.col("label").cast(pl.String))
    found: dict[int, list[Entity]] = {}
    for doc, *entity in rows.iter_rows():
        found.setdefault(doc, []).append((entity[0], entity[1], entity[2]))
    return [
        Answer(
            document,
            [entity for entity in found.get(document.doc, []) if entity[1] <= document.relied_on]
            if document.doc in there
            else None,
        )
        for document in sample
    ]
