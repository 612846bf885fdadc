"""The next batch is made while a transformer computes: in the same order, with the same results, and its own errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fused_reference import fused_entities
from making import make_texts
from making_transformers import transformer_pipeline
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations
from shardner.engine.fused import FusedEngine
from shardner.engine.pieces_ahead import find_leader
from spacy.language import Language
from spacy.tokens import Doc

pytest.importorskip(
    "spacy_curated_transformers", reason="needs the transformers extra: tools/setup.sh dev transformers"
)
pytestmark = pytest.mark.transformers

#: Tokens of a batch: the texts of a test are some ten batches.
TOKENS = 60
BAD = "Unreadable"


class Events:
    """What a transformer does, in order: makes pieces, or has its network compute."""

    def __init__(self, nlp: Any) -> None:
        self.seen: list[str] = []
        transformer = nlp.get_pipe("transformer").model
        [network] = [shim._model for node in transformer.walk() for shim in node.shims]
        network.curated_encoder.embeddings.word_embeddings.register_forward_pre_hook(
            lambda module, inputs: self.seen.append("network")
        )
        self._replace(transformer.get_ref("piece_encoder"), "pieces")
        self._replace(nlp.get_pipe("ner").model.get_ref("tok2vec").layers[0], "vectors")

    def _replace(self, node: Any, name: str) -> None:
        inner = node._func

        def forward(model: Any, inputs: Any, is_train: bool) -> Any:
            self.seen.append(name)
            return inner(model, inputs, is_train)

        forward.__module__ = inner.__module__
        node._func = forward


def outcome(engine: FusedEngine, texts: list[str]) -> tuple[list[Any], dict[int, str], list[int]]:
    found: Annotations = engine.annotate(texts, Stopwatch())
    rows = list(zip(found.starts.tolist(), found.ends.tolist(), found.labels, strict=True))
    return rows, dict(found.failed), found.offsets.tolist()


@pytest.mark.parametrize(
    "settings", [{}, {"before": ["sentencizer"]}, {"tagged": True}, {"network": "Roberta"}], ids=str
)
def test_entities_are_those_of_stock_spacy(settings: dict[str, Any]) -> None:
    nlp = transformer_pipeline(3, **settings)
    assert find_leader(nlp) is nlp.get_pipe("transformer")
    texts = [*make_texts(60, seed=3), "", " ", "Ada Lovelace in London. " * 40]
    found = fused_entities(FusedEngine(nlp, TOKENS, look_ahead=True), texts)
    assert found == fused_entities(FusedEngine(nlp, TOKENS), texts)
    expected = [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in nlp.pipe(texts)]
    assert sum(map(len, expected)) > 100 and sum(a != b for a, b in zip(found, expected, strict=True)) <= 1


def test_the_next_pieces_are_made_before_the_vectors_are_read() -> None:
    nlp = transformer_pipeline(1)
    events, texts = Events(nlp), make_texts(40, seed=1)
    FusedEngine(nlp, TOKENS).annotate(texts, Stopwatch())
    plain, events.seen = "".join(each[0] for each in events.seen), []
    batches = plain.count("pnv")
    assert batches > 5 and plain == "pnv" * batches
    FusedEngine(nlp, TOKENS, look_ahead=True).annotate(texts, Stopwatch())
    assert "".join(each[0] for each in events.seen) == "pn" + "pvn" * (batches - 1) + "v"


def test_the_pipeline_is_afterwards_as_it_was() -> None:
    nlp = transformer_pipeline(1)
    nodes = list(nlp.get_pipe("transformer").model.walk())
    before = [(node._func, node.ops) for node in nodes]
    FusedEngine(nlp, TOKENS, look_ahead=True).annotate(make_texts(40, seed=1), Stopwatch())
    assert [(node._func, node.ops) for node in nodes] == before


class Tokenizer:
    """spaCy's tokenizer, which raises at a word."""

    def __init__(self, inner: Any, error: BaseException) -> None:
        self._inner, self._error = inner, error

    def __call__(self, text: str) -> Doc:
        if BAD in text:
            raise self._error
        doc: Doc = self._inner(text)
        return doc


class Wordpieces:
    """A pipeline's pieces, which raise at a word."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def encode(self, word: str) -> Any:
        if word == BAD:
            raise ValueError("no pieces")
        return self._inner.encode(word)


@pytest.mark.parametrize("place", [0, 20, 39])
@pytest.mark.parametrize("where", ["tokenizer", "pieces"])
def test_a_text_that_fails_fails_alone(where: str, place: int) -> None:
    nlp = transformer_pipeline(1)
    texts = make_texts(40, seed=1)
    texts[place] = f"Ada met {BAD} in London"
    if where == "tokenizer":
        nlp.tokenizer = Tokenizer(nlp.tokenizer, ValueError("no tokens"))
    else:
        attrs = nlp.get_pipe("transformer").model.get_ref("piece_encoder").attrs
        attrs["wordpiece_processor"] = Wordpieces(attrs["wordpiece_processor"])
    assert find_leader(nlp) is not None
    rows, failed, offsets = outcome(FusedEngine(nlp, TOKENS, look_ahead=True), texts)
    assert list(failed) == [place] and failed[place].startswith("ValueError: no ")
    assert (rows, failed, offsets) == outcome(FusedEngine(nlp, TOKENS), texts) and len(rows) > 100


@pytest.mark.parametrize("look_ahead", [False, True])
def test_an_error_that_ends_the_job_comes_when_its_batch_comes(look_ahead: bool) -> None:
    nlp = transformer_pipeline(1)
    events, texts = Events(nlp), make_texts(40, seed=1)
    engine = FusedEngine(nlp, TOKENS, look_ahead=look_ahead)
    expected, count = outcome(engine, texts), events.seen.count("vectors")
    plain, nlp.tokenizer = nlp.tokenizer, Tokenizer(nlp.tokenizer, MemoryError("no memory"))
    events.seen.clear()
    with pytest.raises(MemoryError, match="no memory"):
        engine.annotate([*texts, BAD], Stopwatch())
    assert events.seen.count("vectors") == events.seen.count("network") >= count - 1
    nlp.tokenizer = plain
    assert outcome(engine, texts) == expected


def test_an_error_of_a_batch_comes_before_one_of_the_next() -> None:
    nlp = transformer_pipeline(1)
    listener = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[0]
    inner = listener._func

    def forward(model: Any, docs: Any, is_train: bool) -> Any:
        raise MemoryError("of this batch")

    forward.__module__ = inner.__module__
    nlp.tokenizer = Tokenizer(nlp.tokenizer, MemoryError("of the next"))
    engine = FusedEngine(nlp, TOKENS, look_ahead=True)
    listener._func = forward
    texts = ["Ada Lovelace in London. " * 20, BAD]
    with pytest.raises(MemoryError, match="of this batch"):
        engine.annotate(texts, Stopwatch())
    listener._func = inner
    with pytest.raises(MemoryError, match="of the next"):
        engine.annotate(texts, Stopwatch())
    assert outcome(engine, texts[:1])[0]


def test_a_batch_that_does_not_fit_is_halved_and_the_next_one_is_not_lost() -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    def refuse(module: Any, inputs: Any) -> None:
        if inputs[0].numel() > 900:
            raise OutOfMemoryError

    nlp = transformer_pipeline(1)
    texts = make_texts(40, seed=1)
    expected = outcome(FusedEngine(nlp, 4 * TOKENS), texts)
    [network] = [shim._model for node in nlp.get_pipe("transformer").model.walk() for shim in node.shims]
    network.curated_encoder.embeddings.word_embeddings.register_forward_pre_hook(refuse)
    assert outcome(FusedEngine(nlp, 4 * TOKENS, look_ahead=True), texts) == expected


@Language.component("writes_anything")
def writes_anything(doc: Doc) -> Doc:
    """Do nothing; nobody knows."""
    return doc


def test_nothing_is_made_ahead_where_a_component_may_change_it() -> None:
    nlp = transformer_pipeline(1)
    nlp.add_pipe("writes_anything")
    assert find_leader(nlp) is None
    nlp.remove_pipe("writes_anything")
    nlp.add_pipe("sentencizer", first=True)
    assert find_leader(nlp) is None
    nlp.remove_pipe("sentencizer")
    nlp.get_pipe("transformer").model.get_ref("piece_encoder").attrs["preprocess"] = lambda word: [word]
    assert find_leader(nlp) is None


def test_phases_do_not_count_time_twice() -> None:
    import time

    nlp, watch = transformer_pipeline(1), Stopwatch()
    engine, texts = FusedEngine(nlp, TOKENS, look_ahead=True), make_texts(40, seed=1)
    began = time.perf_counter()
    engine.annotate(texts, watch)
    assert set(watch.seconds) >= {"tokenize", "encode", "decode"}
    assert sum(watch.seconds.values()) <= time.perf_counter() - began
    assert np.all(np.array(list(watch.seconds.values())) > 0)
