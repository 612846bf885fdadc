"""The stock engine: spaCy's own ``nlp.pipe``, fed in batches of bounded length."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from shardner.engine.annotations import Annotations
from shardner.metrics import Phase, Stopwatch

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

log = logging.getLogger(__name__)

#: Tokens annotated at once. Larger batches gain nothing on a CPU and leave its cache.
BATCH_TOKENS = 8_000
#: Characters after which the strings that the vocabulary gathered are freed.
ZONE_CHARS = 4 << 20

Columns = tuple[int, list[int], list[int], list[str]]  # of one text: tokens, and its entities


class StockEngine:
    """Annotates with ``nlp.pipe``."""

    def __init__(self, nlp: Language, batch_tokens: int | None = None) -> None:
        self._nlp = nlp
        self._batch_tokens = batch_tokens or BATCH_TOKENS
        self._zone = ExitStack()
        self._zone_chars = 0

    def annotate(self, texts: Sequence[str], watch: Stopwatch) -> Annotations:
        """See `Engine`."""
        self._renew_zone(sum(map(len, texts)))
        failed: dict[int, str] = {}
        columns: list[Columns] = []
        for batch in self._batches(texts, watch):
            columns += self._annotate_batch(texts, batch, failed, watch)
        return _as_annotations(columns, failed)

    def _renew_zone(self, chars: int) -> None:
        """Free what earlier texts left in the vocabulary, now and then: doing it costs the tokenizer its cache."""
        if self._zone_chars == 0 or self._zone_chars + chars > ZONE_CHARS:
            self._zone.close()
            self._zone.enter_context(self._nlp.memory_zone())
            self._zone_chars = 0
        self._zone_chars += chars

    def _batches(self, texts: Sequence[str], watch: Stopwatch) -> Iterator[list[tuple[int, Doc | Exception]]]:
        """Tokenize, and yield runs of (number of the text, its tokens) of about `batch_tokens` tokens."""
        batch: list[tuple[int, Doc | Exception]] = []
        tokens = 0
        for number, text in enumerate(texts):
            with watch.phase(Phase.TOKENIZE):
                made = self._tokenize(text)
            if batch and tokens + len(text) // 4 > 2 * self._batch_tokens:
                yield batch
                batch, tokens = [], 0
            batch.append((number, made))
            tokens += 1 if isinstance(made, Exception) else len(made)
            if tokens >= self._batch_tokens:
                yield batch
                batch, tokens = [], 0
        if batch:
            yield batch

    def _tokenize(self, text: str) -> Doc | Exception:
        try:
            return self._nlp.make_doc(text)
        except Exception as error:  # a custom tokenizer may raise anything
            return error

    def _annotate_batch(
        self, texts: Sequence[str], batch: list[tuple[int, Doc | Exception]], failed: dict[int, str], watch: Stopwatch
    ) -> list[Columns]:
        docs = [made for _, made in batch if not isinstance(made, Exception)]
        with watch.phase(Phase.RECOGNISE):
            try:
                done = [_columns(doc) for doc in self._nlp.pipe(docs, batch_size=max(len(docs), 1))]
                if len(done) != len(docs):
                    raise RuntimeError(f"the pipeline gave back {len(done)} of {len(docs)} documents")
            except Exception:  # one document of the batch, at least: find which
                log.warning("a batch of %d documents failed; annotating them one by one", len(docs), exc_info=True)
                return [self._annotate_one(number, texts[number], failed) for number, _ in batch]
        results = iter(done)
        return [
            self._fail(number, made, failed) if isinstance(made, Exception) else next(results) for number, made in batch
        ]

    def _annotate_one(self, number: int, text: str, failed: dict[int, str]) -> Columns:
        try:
            return _columns(self._nlp(text))
        except Exception as error:  # a component may raise anything
            return self._fail(number, error, failed)

    def _fail(self, number: int, error: Exception, failed: dict[int, str]) -> Columns:
        failed[number] = f"{type(error).__name__}: {error}"
        return 0, [], [], []


def _columns(doc: Doc) -> Columns:
    entities = doc.ents
    return (
        len(doc),
        [entity.start_char for entity in entities],
        [entity.end_char for entity in entities],
        [entity.label_ for entity in entities],
    )


def _as_annotations(columns: Sequence[Columns], failed: dict[int, str]) -> Annotations:
    tokens, starts, ends, labels = zip(*columns, strict=True) if columns else ((), (), (), ())
    return Annotations(
        tokens=np.array(tokens, dtype=np.uint32),
        offsets=np.array([0, *accumulate(map(len, starts))], dtype=np.int64),
        starts=np.array([start for each in starts for start in each], dtype=np.uint32),
        ends=np.array([end for each in ends for end in each], dtype=np.uint32),
        labels=[label for each in labels for label in each],
        failed=failed,
    )
