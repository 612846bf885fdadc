"""The stock engine: spaCy's own ``nlp.pipe``, fed in batches of bounded length."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from shardner.data.metrics import Phase
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations
from shardner.engine.tokenization import Tokenization, Zone
from shardner.gpu.halving import in_halves, is_out_of_memory

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from shardner.engine.tokenization import Batch

log = logging.getLogger(__name__)

Columns = tuple[int, list[int], list[int], list[str]]  # of one text: tokens, and its entities


class StockEngine:
    """Annotates with ``nlp.pipe``."""

    def __init__(self, nlp: Language, batch_tokens: int | None = None) -> None:
        self._nlp = nlp
        self._tokenization = Tokenization(nlp, Zone(nlp), batch_tokens)

    def annotate(self, texts: Sequence[str], watch: Stopwatch) -> Annotations:
        """See `Engine`."""
        failed: dict[int, str] = {}
        columns: list[Columns] = []
        for batch in self._tokenization.batches(texts, watch):
            columns += self._annotate_batch(texts, batch, failed, watch)
        return as_annotations(columns, failed)

    def _annotate_batch(
        self, texts: Sequence[str], batch: Batch, failed: dict[int, str], watch: Stopwatch
    ) -> list[Columns]:
        parts = in_halves(
            lambda part: self._annotate_part(texts, part, failed, watch),
            batch,
            renew=lambda part: self._tokenization.renew(texts, part),
        )
        return [columns for part in parts for columns in part]

    def _annotate_part(
        self, texts: Sequence[str], batch: Batch, failed: dict[int, str], watch: Stopwatch
    ) -> list[Columns]:
        docs = [made for _, made in batch if not isinstance(made, Exception)]
        with watch.phase(Phase.RECOGNISE):
            try:
                results = iter([columns_of(doc) for doc in run_pipes(self._nlp, docs)])
            except Exception as error:  # one document of the batch, at least: find which
                if is_out_of_memory(error):
                    raise
                return annotate_singly(self._nlp, texts, batch, failed)
        return [_fail(number, made, failed) if isinstance(made, Exception) else next(results) for number, made in batch]


def run_pipes(nlp: Language, docs: Sequence[Doc], without: Sequence[str] = ()) -> list[Doc]:
    """Run the components of `nlp`, all but those named, over tokenized documents.

    Raises:
        RuntimeError: a document was dropped on the way; a component may raise anything else.
    """
    done = list(nlp.pipe(docs, batch_size=max(len(docs), 1), disable=without))
    if len(done) != len(docs):
        raise RuntimeError(f"the pipeline gave back {len(done)} of {len(docs)} documents")
    return done


def annotate_singly(nlp: Language, texts: Sequence[str], batch: Batch, failed: dict[int, str]) -> list[Columns]:
    """Annotate the texts of a batch in which one or another fails, and enter the reason of each that does."""
    log.warning("a batch of %d documents failed; annotating them one by one", len(batch), exc_info=True)
    columns = []
    for number, _ in batch:
        try:
            columns.append(annotate_one(nlp, texts[number]))
        except Exception as error:  # a component may raise anything
            if is_out_of_memory(error):
                raise
            columns.append(_fail(number, error, failed))
    return columns


def annotate_one(nlp: Language, text: str) -> Columns:
    """Annotate a text by itself; raises whatever a component raises.

    A text of nothing but whitespace is given a word for company. Alone it has no pieces for a transformer, whose
    listeners then raise, while among other texts, as ``nlp.pipe`` over a corpus meets it, it has no entities.
    """
    company = ["word"] if text.isspace() else []
    return columns_of(run_pipes(nlp, [nlp.make_doc(each) for each in [text, *company]])[0])


def _fail(number: int, error: Exception, failed: dict[int, str]) -> Columns:
    failed[number] = describe(error)
    return 0, [], [], []


def describe(error: Exception) -> str:
    """Return the reason of a failure in a line."""
    return f"{type(error).__name__}: {error}"


def columns_of(doc: Doc) -> Columns:
    """Return an annotated document's entities."""
    entities = doc.ents
    return (
        len(doc),
        [entity.start_char for entity in entities],
        [entity.end_char for entity in entities],
        [entity.label_ for entity in entities],
    )


def as_annotations(columns: Sequence[Columns], failed: dict[int, str]) -> Annotations:
    """Return the annotations of texts that were annotated one by one."""
    tokens, starts, ends, labels = zip(*columns, strict=True) if columns else ((), (), (), ())
    return Annotations(
        tokens=np.array(tokens, dtype=np.uint32),
        offsets=np.array([0, *accumulate(map(len, starts))], dtype=np.int64),
        starts=np.array([start for each in starts for start in each], dtype=np.uint32),
        ends=np.array([end for each in ends for end in each], dtype=np.uint32),
        labels=[label for each in labels for label in each],
        failed=failed,
    )
