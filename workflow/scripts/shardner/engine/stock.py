"""The stock engine, spaCy's own ``nlp.pipe``; and how either engine has spaCy's components annotate documents."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from shardner.data.metrics import Phase
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import NOTHING, Annotations, TextEntities
from shardner.engine.attributes import Reader
from shardner.engine.changed_texts import check_text, components_may_change_texts, may_change_texts
from shardner.engine.tokenization import Tokenization, VocabularyMemory
from shardner.errors import AnnotateError
from shardner.gpu.halving import in_halves, is_out_of_memory

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from shardner.engine.tokenization import Batch

log = logging.getLogger(__name__)

#: Reads the entities of an annotated document, and what else a run is asked for.
Read = Callable[["Doc"], TextEntities]


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
        self._reader = Reader(attributes, spans)
        self._tokenization = Tokenization(nlp, VocabularyMemory(nlp), batch_tokens)

    def annotate(self, texts: Sequence[str], watch: Stopwatch, *, places: bool = False) -> Annotations:
        """See `Engine`."""
        read = partial(self._reader.read, places=places)
        annotate = partial(self._annotate_docs, read)
        return annotate_documents(self._nlp, self._tokenization, texts, watch, annotate, read)

    def _annotate_docs(self, read: Read, docs: Sequence[Doc], watch: Stopwatch) -> Annotations:
        with watch.phase(Phase.RECOGNISE):
            return Annotations.from_columns([read(doc) for doc in run_pipes(self._nlp, docs)])


def annotate_documents(
    nlp: Language,
    tokenization: Tokenization,
    texts: Sequence[str],
    watch: Stopwatch,
    annotate: Callable[[Sequence[Doc], Stopwatch], Annotations],
    read: Read,
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
        read: reads the entities of a document that is annotated by itself.

    Raises:
        AnnotateError: an attribute that was asked for does not exist, or cannot be written.
    """

    def work(batch: Batch) -> Annotations:
        docs = [made for _, made in batch if not isinstance(made, Exception)]
        try:
            annotations = annotate(docs, watch)
        except Exception as error:  # because of at least one document
            if isinstance(error, AnnotateError) or is_out_of_memory(error):
                raise
            with watch.phase(Phase.RECOGNISE):
                return _annotate_singly(nlp, texts, batch, read)
        return _with_failed(annotations, batch)

    parts = []
    for batch in tokenization.batches(texts, watch):
        parts += in_halves(work, batch, renew=lambda batch: tokenization.renew(texts, batch))
    return Annotations.concatenate(parts)


def _with_failed(annotations: Annotations, batch: Batch) -> Annotations:
    """Return the annotations of a batch, given those of its documents: texts without tokens failed."""
    reasons = [describe(made) for _, made in batch if isinstance(made, Exception)]
    if not reasons:
        return annotations
    is_failed = np.array([isinstance(made, Exception) for _, made in batch])
    rows = np.argsort(np.argsort(is_failed, kind="stable"), kind="stable")  # documents come first, then those without
    return Annotations.concatenate([annotations, Annotations.empty(len(reasons), dict(enumerate(reasons)))]).take(rows)


def _annotate_singly(nlp: Language, texts: Sequence[str], batch: Batch, read: Read) -> Annotations:
    """Annotate the texts of a batch in which a document fails."""
    log.warning("a batch of %d documents failed; annotating them one by one", len(batch), exc_info=True)
    columns, failed = [NOTHING] * len(batch), {}
    for row, (number, _) in enumerate(batch):
        try:
            columns[row] = annotate_one(nlp, texts[number], read)
        except Exception as error:  # a component may raise anything
            if isinstance(error, AnnotateError) or is_out_of_memory(error):
                raise
            failed[row] = describe(error)
    return Annotations.from_columns(columns, failed)


def annotate_one(nlp: Language, text: str, read: Read | None = None) -> TextEntities:
    """Annotate a text by itself, and read its entities with `read`; raises whatever a component raises.

    A text of whitespace alone is annotated together with a word. By itself it has no pieces for a transformer, and the
    transformer's listeners raise. Among other texts, as ``nlp.pipe`` over a corpus meets it, it has no entities.
    """
    company = ["word"] if text.isspace() else []
    doc = run_pipes(nlp, [nlp.make_doc(each) for each in [text, *company]])[0]
    if may_change_texts(nlp.tokenizer):
        check_text(doc, text, "the pipeline")
    return (read or Reader().read)(doc)


def run_pipes(nlp: Language, docs: Sequence[Doc], without: Sequence[str] = ()) -> list[Doc]:
    """Run the components of `nlp`, except those named in `without`, over tokenized documents.

    Raises:
        RuntimeError: a component dropped a document.
        TextChangedError: a component changed the text of a document. Components may raise anything else.
    """
    texts = [doc.text for doc in docs] if components_may_change_texts(nlp) else None
    done = list(nlp.pipe(docs, batch_size=max(len(docs), 1), disable=without))
    if len(done) != len(docs):
        raise RuntimeError(f"the pipeline gave back {len(done)} of {len(docs)} documents")
    if texts is not None:
        for doc, text in zip(done, texts, strict=True):
            check_text(doc, text, "a component of the pipeline")
    return done


def describe(error: Exception) -> str:
    """Return the reason of a failure in one line."""
    return f"{type(error).__name__}: {error}"
