"""The fused engine: the entities of ``nlp.pipe``, from spaCy's tokenizer and our own encoder and decoder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from shardner.data.metrics import Phase
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Places
from shardner.engine.attributes import SENTENCE, Reader
from shardner.engine.failures import FAILURES, is_documents_own
from shardner.engine.fused.arrays import Bools, HostInts, Module, to_device
from shardner.engine.fused.blas import FasterProducts
from shardner.engine.fused.chunks import CHUNK_LEXEMES, ChunkTokenizer, UnreadableError
from shardner.engine.fused.decode import Barriers, Spans, decode, no_spans, propose_spans
from shardner.engine.fused.document_pieces import Candidates, Piece, known_tokens, no_candidates, select_core
from shardner.engine.fused.rules import read_rules
from shardner.engine.fused.scorer import Scorer
from shardner.engine.fused.sentences import must_close, number_sentences, plain_tokens, sentence_starts, terminal_keys
from shardner.engine.fused.support import Plan, make_plan
from shardner.engine.fused.tokens import Tokens, compute_only, read_tokens
from shardner.engine.last_layer import LastLayers, find_unread
from shardner.engine.pieces_ahead import PiecesAhead, find_leader
from shardner.engine.pipes import run_pipes
from shardner.engine.products import Products
from shardner.engine.scores import SCORE, carry_scores, make_scores, to_scores
from shardner.engine.stock import Reading, annotate_documents, run_and_read
from shardner.engine.tokenization import Tokenization, VocabularyMemory
from shardner.engine.transformer_spans import GroupedSpans
from shardner.gpu.halving import in_halves

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

log = logging.getLogger(__name__)


class FusedEngine:
    """Annotates with a pipeline that `examine` finds supported."""

    def __init__(
        self,
        nlp: Language,
        batch_tokens: int | None = None,
        xp: Module | None = None,
        *,
        plan: Plan | None = None,
        attributes: Sequence[str] = (),
        spans: Sequence[str] = (),
        look_ahead: bool | None = None,
    ) -> None:
        """Read the weights of a pipeline. Later changes of the weights have no effect.

        Args:
            nlp: the pipeline, which belongs to the engine from now on.
            batch_tokens: tokens annotated at once; None for as many as suit a CPU.
            xp: ``numpy`` or ``cupy``, to compute with; None for where the weights lie.
            plan: the plan for `nlp`, if it has been made.
            attributes: further columns of entities to return.
            spans: span groups to return.
            look_ahead: make the next batch while a transformer computes; None for where that saves time, on a GPU.

        Raises:
            UnsupportedError: the pipeline is not supported.
        """
        self._nlp = nlp
        # the scores are for what spaCy's recogniser annotates
        self._reading = Reading(Reader(attributes, spans), make_scores(nlp, attributes))
        self._with_scores = self._reading.scores is not None
        self._plan = plan = plan or make_plan(nlp)
        tokens_suffice = plan.tokenizer_only and not self._reading.reader.needs_documents
        model: Any = plan.recogniser.model
        self._xp = model.ops.xp if xp is None else xp
        products = Products(self._xp, steady=self._with_scores)
        self._scorer = Scorer(model, plan.moves, self._xp, products)
        self._encoder = plan.encoder.build(self._xp, products)
        before: list[Any] = [nlp.get_pipe(name) for name in plan.before]
        models = [pipe.model for pipe in before if _has_model(pipe)]
        self._products = FasterProducts([*self._encoder.spacy_layers, *models], products)
        self._spans = GroupedSpans([*self._encoder.spacy_layers, *models])
        # the getter of an extension may read anything
        self._layers = LastLayers([] if self._reading.reader.needs_documents else find_unread(nlp))
        looks_ahead = self.on_gpu if look_ahead is None else look_ahead
        self._ahead = PiecesAhead(find_leader(nlp) if looks_ahead else None)
        self._terminals = (
            None if plan.sentencizer is None else terminal_keys(nlp.vocab.strings, plan.sentencizer.punct_chars)
        )
        if tokens_suffice:
            compute_only(nlp.vocab, [*plan.attributes, "IS_PUNCT"])
        rules = read_rules(nlp.tokenizer) if tokens_suffice else None
        memory = VocabularyMemory(nlp, None if rules is None else CHUNK_LEXEMES)
        self._chunks = None if rules is None else ChunkTokenizer(nlp, plan.attributes, rules, memory)
        self._tokenization = Tokenization(nlp, memory, batch_tokens)
        self._tokens_suffice = tokens_suffice

    def annotate(self, texts: Sequence[str], watch: Stopwatch, *, places: bool = False) -> Annotations:
        """See `Engine`."""
        if self._chunks is not None:
            try:
                return self._annotate_chunks(self._chunks, texts, watch, places)
            except FAILURES as error:  # at least one text cannot be tokenized; as documents, it turns out which
                if not is_documents_own(error):
                    raise
                log.warning("%d texts could not be read by chunks", len(texts), exc_info=True)
        reading = replace(self._reading, places=places)
        annotate = partial(self._annotate_docs, reading)
        return annotate_documents(self._nlp, self._tokenization, texts, watch, annotate, reading, self._ahead.over)

    @property
    def finds_candidates(self) -> bool:
        """Whether `find_candidates` may be used: no part of spaCy but the tokenizer decides about entities."""
        return self._tokens_suffice and self._plan.encoder.seen is not None

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU encodes and decodes."""
        return self._xp is not np

    @property
    def batch_chars(self) -> int:
        """Characters of a batch, about."""
        return self._tokenization.batch_chars

    def halve_batches(self) -> None:
        """Halve later batches, because one did not fit the device's memory."""
        self._tokenization.halve()

    @property
    def labels(self) -> Sequence[str]:
        """The labels; the labels of candidates are indices into them."""
        return self._plan.moves.labels

    def find_candidates(self, piece: Piece, watch: Stopwatch) -> Candidates:
        """Return the candidates that begin in the core of a piece; raises what the tokenizer raises."""
        tokens = self._read(piece.text, watch)
        if not len(tokens):
            return no_candidates(tokens, piece, with_scores=self._with_scores)
        with watch.phase(Phase.ENCODE), self._products.lent():
            vectors = self._encoder.encode([], tokens)
        with watch.phase(Phase.DECODE):
            starts = self._find_sentence_starts(tokens)
            barriers, reduced = self._barriers(tokens, starts), self._scorer.reduce(vectors)
            proposed = propose_spans(self._scorer, reduced, barriers, with_scores=self._with_scores)
            plain = None if self._terminals is None else plain_tokens(tokens, self._terminals)
            known = known_tokens(tokens, piece, self._plan.encoder.seen, plain)
            found = select_core(self._scorer, reduced, barriers, proposed, tokens, piece, known)
            if not self._reading.reader.sentence:
                return found
            return replace(found, sentences=_in_core(tokens.begins[starts], piece))

    def _annotate_chunks(
        self, chunks: ChunkTokenizer, texts: Sequence[str], watch: Stopwatch, places: bool
    ) -> Annotations:
        """Annotate texts without making documents of them; raises what the tokenizer raises."""

        def annotate(batch: list[str]) -> Annotations:
            with watch.phase(Phase.TOKENIZE):
                tokens = chunks.read(batch)
            return self._annotate_tokens(tokens, watch, places=places)[0]

        def renew(batch: list[str]) -> list[str]:
            self._tokenization.halve()
            return batch

        batches = self._tokenization.text_batches(texts)
        return Annotations.concatenate([part for each in batches for part in in_halves(annotate, each, renew=renew)])

    def _read(self, text: str, watch: Stopwatch) -> Tokens:
        """Return the tokens of a text; raises what the tokenizer raises."""
        if self._chunks is not None:
            with watch.phase(Phase.TOKENIZE), suppress(UnreadableError):
                return self._chunks.read([text])
        [[(_, made)]] = self._tokenization.batches([text], watch)
        if isinstance(made, BaseException):
            raise made
        return read_tokens([made], self._plan.attributes)

    def _annotate_docs(self, reading: Reading, docs: Sequence[Doc], watch: Stopwatch) -> Annotations:
        """Annotate the documents of a batch; raises what a component raises."""
        plan = self._plan
        with watch.phase(Phase.ENCODE), self._products.lent(), self._transformer_lent():
            if plan.before:
                docs = run_pipes(self._nlp, docs, without=[plan.name, *plan.after])
            tokens = read_tokens(docs, plan.attributes)
        if plan.may_come_annotated and tokens["ENT_IOB"].any():  # the recogniser would keep these entities
            with watch.phase(Phase.RECOGNISE):
                return Annotations.from_columns(run_and_read(self._nlp, docs, plan.before, reading))
        annotations, spans = self._annotate_tokens(tokens, watch, docs, places=reading.places)
        if not plan.after and not reading.reader.needs_documents:
            return annotations
        with watch.phase(Phase.RECOGNISE):
            return self._run_after(docs, spans, annotations, reading)

    @contextmanager
    def _transformer_lent(self) -> Iterator[None]:
        with self._spans.lent(), self._layers.lent(), self._ahead.lent():
            yield

    def _annotate_tokens(
        self, tokens: Tokens, watch: Stopwatch, docs: Sequence[Doc] = (), *, places: bool = False
    ) -> tuple[Annotations, Spans]:
        """Return the entities among tokens: as annotations of texts, and as spans of tokens.

        Args:
            tokens: of the texts of a batch.
            watch: takes the seconds of each phase.
            docs: the documents of the tokens, if the encoder needs documents.
            places: whether the annotations have `Annotations.places`.
        """
        with watch.phase(Phase.ENCODE), self._products.lent(), self._spans.lent():
            # if all tokens are whitespace, no entity begins, and a transformer has no vectors
            vectors = None if tokens["IS_SPACE"].all() else self._encoder.encode(docs, tokens)
        with watch.phase(Phase.DECODE):
            starts = self._find_sentence_starts(tokens)
            if vectors is None:
                spans = no_spans(with_scores=self._with_scores)
            else:
                spans = decode(self._scorer, vectors, self._barriers(tokens, starts), with_scores=self._with_scores)
            found = _locate(tokens, spans, self.labels)
            if self._reading.reader.sentence:
                numbers = number_sentences(tokens, starts)[spans.starts]
                found = replace(found, attributes={**found.attributes, SENTENCE: numbers})
            return replace(found, places=_places(tokens, starts)) if places else found, spans

    def _find_sentence_starts(self, tokens: Tokens) -> Bools:
        """Tell which tokens (N,) start a sentence."""
        if self._terminals is not None:
            return sentence_starts(tokens, self._terminals)
        if self._plan.may_come_annotated:
            starts: Bools = tokens["SENT_START"] == 1
            return starts
        return np.zeros(len(tokens), dtype=bool)

    def _barriers(self, tokens: Tokens, starts: Bools) -> Barriers:
        """Return where entities cannot go on, given which tokens start a sentence."""
        closes = must_close(tokens, starts)
        return Barriers(to_device(self._xp, tokens["IS_SPACE"] != 0), to_device(self._xp, closes))

    def _run_after(self, docs: Sequence[Doc], spans: Spans, found: Annotations, reading: Reading) -> Annotations:
        """Run the components after the recogniser, on documents that have its entities.

        Args:
            docs: the documents of a batch, one after another.
            spans: the entities of all of them, as spans of tokens.
            found: the same entities.
            reading: what is read from the documents.
        """
        from spacy.tokens import Span

        rows = zip(spans.starts.tolist(), spans.ends.tolist(), spans.labels.tolist(), strict=True)
        first = 0
        for doc, count in zip(docs, np.diff(found.offsets).tolist(), strict=True):
            entities = [next(rows) for _ in range(count)]
            doc.set_ents([Span(doc, start - first, end - first, self.labels[label]) for start, end, label in entities])
            first += len(doc)
        done = run_pipes(self._nlp, docs, without=[*self._plan.before, self._plan.name])
        columns = [reading.read(doc) for doc in done]
        return Annotations.from_columns(carry_scores(found, columns) if self._with_scores else columns)


def _has_model(pipe: Any) -> bool:
    from thinc.api import Model

    return isinstance(getattr(pipe, "model", None), Model)


def _in_core(begins: HostInts, piece: Piece) -> HostInts:
    """Return those places that lie in the core of a piece."""
    return begins[(begins >= piece.begin) & (begins < piece.end)]


def _places(tokens: Tokens, starts: Bools) -> list[Places]:
    """Return where the tokens and sentences of each document start; `starts` (N,) tells where sentences do."""
    borders = np.cumsum(tokens.lengths)[:-1]
    return [
        Places(begins, begins[1:][chosen[1:]])
        for begins, chosen in zip(np.split(tokens.begins, borders), np.split(starts, borders), strict=True)
    ]


def _locate(tokens: Tokens, spans: Spans, labels: Sequence[str]) -> Annotations:
    """Return spans of tokens as offsets into the text of each document."""
    documents = np.searchsorted(np.cumsum(tokens.lengths), spans.starts, side="right")
    last = spans.ends - 1
    return Annotations(
        tokens=tokens.lengths.astype(np.uint32),
        offsets=np.append(0, np.cumsum(np.bincount(documents, minlength=len(tokens.lengths)))),
        starts=tokens.begins[spans.starts].astype(np.uint32),
        ends=(tokens.begins[last] + tokens["LENGTH"][last].astype(np.int64)).astype(np.uint32),
        labels=[labels[label] for label in spans.labels.tolist()],
        attributes={} if spans.logs is None else {SCORE: to_scores(spans.logs)},
    )
