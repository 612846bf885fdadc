"""The stock engine, spaCy's own ``nlp.pipe``; and how either engine has spaCy's components annotate documents."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from shardner.data.metrics import Phase
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import NOTHING, Annotations, TextEntities
from shardner.engine.attributes import Reader
from shardner.engine.changed_texts import check_text, tokenizer_may_change_texts
from shardner.engine.failures import FAILURES, is_documents_own
from shardner.engine.pipes import run_pipes
from shardner.engine.scores import RecogniserScores, add_scores, make_scores
from shardner.engine.tokenization import Tokenization, VocabularyMemory
from shardner.gpu.halving import in_halves

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from shardner.engine.tokenization import Batch

log = logging.getLogger(__name__)

#: Tokens of a batch that holds one document.
ONE_DOCUMENT = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read from annotated documents: their entities, and what else a run is asked for."""

    reader: Reader
    scores: RecogniserScores | None = None  # None if scores are not asked for
    places: bool = False  # whether to read where tokens and sentences start

    def read(self, doc: Doc) -> TextEntities:
        """Return what is asked for of a document, but for scores."""
        return self.reader.read(doc, places=self.places)


#: Entities and nothing else.
PLAIN = Reading(Reader())


class StockEngine:
    """Annotates with ``nlp.pipe``, in batches of bounded length."""

    def __init__(
        self,
        nlp: Language,
        batch_tokens: int | None = None,
        *,
        attributes: Sequence[str] = (),
        spans: Sequence[str] = (),
    ) -> None:
        """Take a pipeline.

        Args:
            nlp: the pipeline.
            batch_tokens: tokens annotated at once; None for as many as suit a CPU.
            attributes: further columns of entities to return.
            spans: span groups to return.
        """
        self._nlp = nlp
        self._reading = Reading(Reader(attributes, spans), make_scores(nlp, attributes))
        self._tokenization = Tokenization(nlp, VocabularyMemory(nlp), batch_tokens)

    def annotate(self, texts: Sequence[str], watch: Stopwatch, *, places: bool = False) -> Annotations:
        """See `Engine`."""
        reading = replace(self._reading, places=places)
        annotate = partial(self._annotate_docs, reading)
        return annotate_documents(self._nlp, self._tokenization, texts, watch, annotate, reading)

    def _annotate_docs(self, reading: Reading, docs: Sequence[Doc], watch: Stopwatch) -> Annotations:
        with watch.phase(Phase.RECOGNISE):
            return Annotations.from_columns(run_and_read(self._nlp, docs, reading=reading))


def annotate_documents(
    nlp: Language,
    tokenization: Tokenization,
    texts: Sequence[str],
    watch: Stopwatch,
    annotate: Callable[[Sequence[Doc], Stopwatch], Annotations],
    reading: Reading,
    over: Callable[[Iterator[Batch]], AbstractContextManager[Iterator[Batch]]] = nullcontext,
) -> Annotations:
    """Annotate texts by way of documents.

    A batch that does not fit the device's memory is halved. Where a document of a batch makes `annotate` raise, the
    texts of the batch are annotated one by one with ``nlp.pipe``, to find out which of them fails.

    Args:
        nlp: the pipeline.
        tokenization: makes the batches of documents.
        texts: what to annotate.
        watch: takes the seconds of each phase.
        annotate: annotates the documents of a batch.
        reading: what is read from a document that is annotated by itself.
        over: gives the batches within its block: the same ones, but perhaps made before they are asked for.

    Raises:
        AnnotateError: an attribute that was asked for does not exist, or cannot be written.
    """

    def work(batch: Batch) -> Annotations:
        docs = [made for _, made in batch if not isinstance(made, BaseException)]
        try:
            annotations = annotate(docs, watch)
        except FAILURES as error:  # because of at least one document
            if not is_documents_own(error):
                raise
            with watch.phase(Phase.RECOGNISE):
                return _annotate_singly(nlp, texts, batch, reading)
        return _with_failed(annotations, batch)

    parts = []
    with over(tokenization.batches(texts, watch)) as batches:
        for batch in batches:
            parts += in_halves(work, batch, renew=lambda batch: tokenization.renew(texts, batch))
    return Annotations.concatenate(parts)


def _with_failed(annotations: Annotations, batch: Batch) -> Annotations:
    """Return the annotations of a batch, given those of its documents: texts without tokens failed."""
    reasons = [describe(made) for _, made in batch if isinstance(made, BaseException)]
    if not reasons:
        return annotations
    is_failed = np.array([isinstance(made, BaseException) for _, made in batch])
    rows = np.argsort(np.argsort(is_failed, kind="stable"), kind="stable")  # documents come first, then those without
    return Annotations.concatenate([annotations, Annotations.empty(len(reasons), dict(enumerate(reasons)))]).take(rows)


def _annotate_singly(nlp: Language, texts: Sequence[str], batch: Batch, reading: Reading) -> Annotations:
    """Annotate the texts of a batch in which a document fails."""
    log.warning("a batch of %d documents failed; annotating them one by one", len(batch), exc_info=True)
    columns, failed = [NOTHING] * len(batch), {}
    for row, (number, _) in enumerate(batch):
        try:
            columns[row] = annotate_one(nlp, texts[number], reading)
        except FAILURES as error:
            if not is_documents_own(error):
                raise
            failed[row] = describe(error)
    return Annotations.from_columns(columns, failed)


def annotate_one(nlp: Language, text: str, reading: Reading = PLAIN) -> TextEntities:
    """Annotate a text by itself; raises whatever a component raises.

    A text of whitespace alone is annotated together with a word. By itself it has no pieces for a transformer, and the
    transformer's listeners raise. Among other texts, as ``nlp.pipe`` over a corpus meets it, it has no entities.
    """
    company = ["word"] if text.isspace() else []
    docs = [nlp.make_doc(each) for each in [text, *company]]
    if tokenizer_may_change_texts(nlp):
        check_text(docs[0], text, "the tokenizer")
    return run_and_read(nlp, docs, reading=reading)[0]


def run_and_read(
    nlp: Language, docs: Sequence[Doc], without: Sequence[str] = (), reading: Reading = PLAIN
) -> list[TextEntities]:
    """Run the components of `nlp`, except those named in `without`, and return the entities of the documents.

    Args:
        nlp: the pipeline.
        docs: tokenized documents.
        without: names of components.
        reading: what is read from the documents.

    Raises:
        RuntimeError: a component dropped a document.
        TextChangedError: a component changed the text of a document. Components may raise anything else.
    """
    if reading.scores is None:
        return [reading.read(doc) for doc in run_pipes(nlp, docs, without)]
    done, known = reading.scores.run(docs, without)
    return [add_scores(reading.read(doc), each) for doc, each in zip(done, known, strict=True)]


def describe(error: BaseException) -> str:
    """Return the reason of a failure in one line."""
    return f"{type(error).__name__}: {error}"
