"""The fused engine: the entities of ``nlp.pipe``, from spaCy's tokenizer and our own encoder and decoder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shardner.data.metrics import Phase
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, UInt32s
from shardner.engine.fused.arrays import Array, HostInts, Module, to_device
from shardner.engine.fused.blas import FasterProducts
from shardner.engine.fused.chunks import LEXEMES, Chunks, UnreadableError
from shardner.engine.fused.decode import Barriers, Spans, decode, find_candidates
from shardner.engine.fused.document_pieces import Candidates, Piece, known_tokens, no_candidates, select_core
from shardner.engine.fused.encode import Encoder
from shardner.engine.fused.layers import unchain
from shardner.engine.fused.rules import read_rules
from shardner.engine.fused.scorer import Scorer
from shardner.engine.fused.sentences import must_close, plain_tokens, sentence_starts, terminal_keys
from shardner.engine.fused.support import make_plan
from shardner.engine.fused.tokens import Tokens, compute_only, read_tokens
from shardner.engine.stock import Columns, annotate_singly, columns_of, describe, run_pipes
from shardner.engine.tokenization import Tokenization, Zone
from shardner.errors import DeviceError
from shardner.gpu.halving import in_halves, is_out_of_memory

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from shardner.engine.tokenization import Batch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Part:
    """What came of a batch of n texts."""

    tokens: UInt32s  # (n,)
    counts: HostInts  # (n,) entities of each
    starts: UInt32s  # (m,) code points
    ends: UInt32s  # (m,)
    labels: list[str]  # (m,)


class FusedEngine:
    """Annotates with a pipeline that `examine` finds supported. Keeps the weights that it has at construction."""

    def __init__(self, nlp: Language, batch_tokens: int | None = None, xp: Module = None) -> None:
        """Read the weights of `nlp`, and compute with `xp`, or where they lie. `nlp` is the engine's from then on.

        Raises:
            UnsupportedError: the pipeline is not supported.
        """
        plan = make_plan(nlp)
        self._nlp, self._plan = nlp, plan
        self.reason = plan.reason
        model: Any = plan.recogniser.model
        self._xp = model.ops.xp if xp is None else xp
        self._scorer = Scorer(model, plan.moves, self._xp)
        self._encoder = Encoder(plan.layers, nlp.vocab, self._xp) if plan.layers else None
        self._stock_encoder = unchain(model.get_ref("tok2vec"))[:-1]
        before: list[Any] = [nlp.get_pipe(name) for name in plan.before]
        own = plan.layers.embedding if plan.layers else self._stock_encoder
        self._products = FasterProducts([*own, *(pipe.model for pipe in before if _has_model(pipe))])
        self._attributes = ["ORTH", "IS_SPACE", "LENGTH"]
        self._attributes += self._encoder.attributes if self._encoder else []
        self._attributes += ["SENT_START", "ENT_IOB"] if plan.may_come_annotated else []
        if plan.sentencizer is not None:
            self._attributes += ["IS_PUNCT"]
            self._terminals = terminal_keys(nlp.vocab.strings, plan.sentencizer.punct_chars)
        if plan.tokenizer_only:
            compute_only(nlp.vocab, [*self._attributes, "IS_PUNCT"])
        rules = read_rules(nlp.tokenizer) if plan.tokenizer_only and "IDX" not in self._attributes else None
        zone = Zone(nlp, None if rules is None else LEXEMES)
        self._chunks = None if rules is None else Chunks(nlp, self._attributes, rules, zone)
        self._tokenization = Tokenization(nlp, zone, batch_tokens)

    def annotate(self, texts: Sequence[str], watch: Stopwatch) -> Annotations:
        """See `Engine`."""
        failed: dict[int, str] = {}
        parts = self._annotate_chunks(texts, watch)
        if parts is None:
            batches = self._tokenization.batches(texts, watch)
            parts = [part for batch in batches for part in self._annotate_batch(texts, batch, failed, watch)]
        return Annotations(
            tokens=_concatenate([part.tokens for part in parts], np.uint32),
            offsets=np.cumsum(_concatenate([[0], *(part.counts for part in parts)], np.int64)),
            starts=_concatenate([part.starts for part in parts], np.uint32),
            ends=_concatenate([part.ends for part in parts], np.uint32),
            labels=list(chain.from_iterable(part.labels for part in parts)),
            failed=failed,
        )

    @property
    def finds_candidates(self) -> bool:
        """Whether `find_candidates` may be used: of spaCy, nothing but the tokenizer has a part in the entities."""
        return self._plan.tokenizer_only

    @property
    def labels(self) -> Sequence[str]:
        """The labels, by the numbers that candidates have."""
        return self._plan.moves.labels

    def find_candidates(self, piece: Piece, watch: Stopwatch) -> Candidates:
        """Return what begins in the core of a piece; raises what the tokenizer does."""
        tokens = self._read(piece.text, watch)
        with watch.phase(Phase.ENCODE), self._products.lent():
            vectors = self._encode([], tokens) if len(tokens) else None
        if self._encoder is None or vectors is None:
            return no_candidates(tokens, piece)
        with watch.phase(Phase.DECODE):
            barriers, reduced = self._barriers(tokens), self._scorer.reduce(vectors)
            found = find_candidates(self._scorer, reduced, barriers)
            plain = plain_tokens(tokens, self._terminals) if self._plan.sentencizer is not None else None
            known = known_tokens(tokens, piece, self._encoder.seen, plain)
            return select_core(self._scorer, reduced, barriers, found, tokens, piece, known)

    def _annotate_chunks(self, texts: Sequence[str], watch: Stopwatch) -> list[_Part] | None:
        """Annotate texts without making documents of them; None where that is not possible."""
        if self._chunks is None:
            return None
        read = self._chunks.read

        def annotate(run: list[str]) -> _Part:
            with watch.phase(Phase.TOKENIZE):
                tokens = read(run)
            return self._annotate_tokens(tokens, watch)[0]

        def renew(run: list[str]) -> list[str]:
            self._tokenization.halve()
            return run

        try:
            return [part for run in self._tokenization.runs(texts) for part in in_halves(annotate, run, renew=renew)]
        except DeviceError:
            raise
        except Exception:  # one text at least cannot be tokenized: as documents, it is found out which
            log.warning("%d texts could not be read by chunks", len(texts), exc_info=True)
            return None

    def _read(self, text: str, watch: Stopwatch) -> Tokens:
        """Return a text's tokens; raises what the tokenizer does."""
        if self._chunks is not None:
            with watch.phase(Phase.TOKENIZE), suppress(UnreadableError):
                return self._chunks.read([text])
        [[(_, made)]] = self._tokenization.batches([text], watch)
        if isinstance(made, Exception):
            raise made
        return read_tokens([made], self._attributes)

    def _annotate_batch(
        self, texts: Sequence[str], batch: Batch, failed: dict[int, str], watch: Stopwatch
    ) -> list[_Part]:
        return in_halves(
            lambda part: self._annotate_part(texts, part, failed, watch),
            batch,
            renew=lambda part: self._tokenization.renew(texts, part),
        )

    def _annotate_part(self, texts: Sequence[str], batch: Batch, failed: dict[int, str], watch: Stopwatch) -> _Part:
        docs = [made for _, made in batch if not isinstance(made, Exception)]
        try:
            part = self._annotate_docs(docs, watch)
        except Exception as error:  # one document of the batch, at least: find which
            if is_out_of_memory(error):
                raise
            with watch.phase(Phase.RECOGNISE):
                return _as_part(annotate_singly(self._nlp, texts, batch, failed))
        if len(docs) < len(batch):
            failed |= {number: describe(made) for number, made in batch if isinstance(made, Exception)}
            places = np.array([i for i, (_, made) in enumerate(batch) if not isinstance(made, Exception)], dtype=int)
            part = _spread(part, places, len(batch))
        return part

    def _annotate_docs(self, docs: Sequence[Doc], watch: Stopwatch) -> _Part:
        with watch.phase(Phase.ENCODE), self._products.lent():
            if self._plan.before:
                docs = run_pipes(self._nlp, docs, without=[self._plan.name, *self._plan.after])
            tokens = read_tokens(docs, self._attributes)
        if self._plan.may_come_annotated and tokens["ENT_IOB"].any():  # the recogniser works around such entities
            with watch.phase(Phase.RECOGNISE):
                return _as_part([columns_of(doc) for doc in run_pipes(self._nlp, docs, without=self._plan.before)])
        part, spans = self._annotate_tokens(tokens, watch, docs)
        if self._plan.after:
            with watch.phase(Phase.RECOGNISE):
                return _as_part(self._run_after(docs, spans, part.counts))
        return part

    def _annotate_tokens(self, tokens: Tokens, watch: Stopwatch, docs: Sequence[Doc] = ()) -> tuple[_Part, Spans]:
        """Find the entities among tokens; `docs` are those that they are of, where spaCy encodes them."""
        with watch.phase(Phase.ENCODE), self._products.lent():
            # Where all is whitespace no entity begins, and a transformer has no vectors.
            vectors = None if tokens["IS_SPACE"].all() else self._encode(docs, tokens)
        with watch.phase(Phase.DECODE):
            spans = _NO_SPANS if vectors is None else decode(self._scorer, vectors, self._barriers(tokens))
            return _locate(tokens, spans, self._plan.moves.labels), spans

    def _encode(self, docs: Sequence[Doc], tokens: Tokens) -> Array:
        if self._encoder is not None:
            return self._encoder.encode(tokens)
        values: Any = docs
        for layer in self._stock_encoder:
            values = layer.predict(values)
        return values

    def _barriers(self, tokens: Tokens) -> Barriers:
        if self._plan.sentencizer is not None:
            starts = sentence_starts(tokens, self._terminals)
        elif self._plan.may_come_annotated:
            starts = tokens["SENT_START"] == 1
        else:
            starts = np.zeros(len(tokens), dtype=bool)
        closes = must_close(tokens, starts)
        return Barriers(to_device(self._xp, tokens["IS_SPACE"] != 0), to_device(self._xp, closes))

    def _run_after(self, docs: Sequence[Doc], spans: Spans, counts: HostInts) -> list[Columns]:
        """Run the components behind the recogniser, on documents that carry its entities as it would set them."""
        from spacy.tokens import Span

        names = self._plan.moves.labels
        found = zip(spans.starts.tolist(), spans.ends.tolist(), spans.labels.tolist(), strict=True)
        first = 0
        for doc, count in zip(docs, counts.tolist(), strict=True):
            entities = [next(found) for _ in range(count)]
            doc.set_ents([Span(doc, start - first, end - first, names[label]) for start, end, label in entities])
            first += len(doc)
        done = run_pipes(self._nlp, docs, without=[*self._plan.before, self._plan.name])
        return [columns_of(doc) for doc in done]


_NO_TOKENS = np.empty(0, dtype=np.int64)
_NO_SPANS = Spans(_NO_TOKENS, _NO_TOKENS, _NO_TOKENS, scored=0)


def _has_model(pipe: Any) -> bool:
    from thinc.api import Model

    return isinstance(getattr(pipe, "model", None), Model)


def _locate(tokens: Tokens, spans: Spans, labels: Sequence[str]) -> _Part:
    """Return spans of tokens as offsets in each document's text."""
    documents = np.searchsorted(np.cumsum(tokens.lengths), spans.starts, side="right")
    last = spans.ends - 1
    return _Part(
        tokens=tokens.lengths.astype(np.uint32),
        counts=np.bincount(documents, minlength=len(tokens.lengths)),
        starts=tokens.begins[spans.starts].astype(np.uint32),
        ends=(tokens.begins[last] + tokens["LENGTH"][last].astype(np.int64)).astype(np.uint32),
        labels=[labels[label] for label in spans.labels.tolist()],
    )


def _as_part(columns: Sequence[Columns]) -> _Part:
    return _Part(
        tokens=np.array([tokens for tokens, *_ in columns], dtype=np.uint32),
        counts=np.array([len(starts) for _, starts, *_ in columns], dtype=np.int64),
        starts=np.array([start for _, starts, _, _ in columns for start in starts], dtype=np.uint32),
        ends=np.array([end for _, _, ends, _ in columns for end in ends], dtype=np.uint32),
        labels=[label for *_, labels in columns for label in labels],
    )


def _spread(part: _Part, places: HostInts, count: int) -> _Part:
    """Return the part with its texts at `places` among `count`; the others have no tokens."""
    tokens, counts = np.zeros(count, dtype=np.uint32), np.zeros(count, dtype=np.int64)
    tokens[places], counts[places] = part.tokens, part.counts
    return replace(part, tokens=tokens, counts=counts)


def _concatenate(arrays: Sequence[npt.ArrayLike], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=dtype), *arrays]).astype(dtype)
