"""A transformer's spans in packs: no row is padding, and the vectors are those of stock spaCy but for float noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from fused_reference import compare
from making import make_texts
from making_transformers import STRIDE, WINDOW, transformer_pipeline
from shardner.data.stopwatch import Stopwatch
from shardner.engine.fused import FusedEngine
from shardner.engine.packed_spans import Run, find_network, make_packs
from shardner.engine.transformer_spans import GroupedSpans
from spacy.tokens import Doc

pytest.importorskip(
    "spacy_curated_transformers", reason="needs the transformers extra: tools/setup.sh dev transformers"
)
pytestmark = pytest.mark.transformers

#: Vectors of random networks are about as large as 1.
NOISE = 1e-5


def network_of(nlp: Any) -> Any:
    [node] = [node for node in nlp.get_pipe("transformer").model.walk() if node.shims]
    return node


def encoder_of(nlp: Any) -> Any:
    return network_of(nlp).shims[0]._model.curated_encoder


@contextmanager
def rows_counted(nlp: Any) -> Iterator[list[int]]:
    """Collect how many rows each call of the first layer's dense part is given."""
    counts: list[int] = []
    dense = encoder_of(nlp).layers[0].ffn.intermediate
    hook = dense.register_forward_pre_hook(
        lambda module, inputs: counts.append(inputs[0].numel() // module.in_features)
    )
    try:
        yield counts
    finally:
        hook.remove()


def vectors_of(nlp: Any, texts: Sequence[str | Doc]) -> list[list[Any]]:
    """Return the vectors of each text or document, layer by layer."""
    docs = [nlp.make_doc(text) if isinstance(text, str) else text for text in texts]
    output = nlp.get_pipe("transformer").predict(docs)
    return [[layer.dataXd for layer in layers] for layers in output.all_outputs]


def pieces_of(nlp: Any, texts: list[str]) -> int:
    """Return how many pieces the spans of documents have, where windows overlap twice."""
    docs = [nlp.make_doc(text) for text in texts]
    lengths = [
        len(pieces.dataXd) for pieces in nlp.get_pipe("transformer").model.get_ref("piece_encoder").predict(docs)
    ]
    return sum(min(WINDOW, length - first) for length in lengths for first in range(0, length, STRIDE))


@pytest.mark.parametrize("all_layers", [False, True])
@pytest.mark.parametrize("network", ["Bert", "Roberta"])
def test_packed_vectors_are_those_of_stock_spacy(
    network: str, all_layers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shardner.engine.packed_spans.PACK_PIECES", 300)
    nlp = transformer_pipeline(3, network=network, layers=3, all_layers=all_layers)
    texts = make_texts(40, seed=3, longest=60)
    expected = vectors_of(nlp, texts)
    with GroupedSpans([nlp.get_pipe("transformer").model]).lent(), rows_counted(nlp) as rows:
        found = vectors_of(nlp, texts)
    assert len(rows) > 3 and sum(rows) == pieces_of(nlp, texts)
    for theirs, ours in zip(expected, found, strict=True):
        assert len(theirs) == len(ours) == (4 if all_layers else 1)
        for layer, same in zip(theirs, ours, strict=True):
            assert same.dtype == layer.dtype == np.float32
            np.testing.assert_allclose(same, layer, atol=NOISE, rtol=0)


@pytest.mark.parametrize("network", ["Bert", "Roberta", "Albert"])
@pytest.mark.parametrize("seed", range(3))
def test_entities_are_those_of_stock_spacy(seed: int, network: str) -> None:
    nlp = transformer_pipeline(seed, network=network)
    compared = compare(nlp, make_texts(60, seed=seed))
    assert compared.entities > 100 and not compared.wrong and len(compared.near_ties) <= 1


def hook(nlp: Any) -> None:
    encoder_of(nlp).layers[1].mha.register_forward_hook(lambda module, inputs, output: 2 * output)


def replace_forward(nlp: Any) -> None:
    layer = encoder_of(nlp).layers[0]
    inner = layer.forward
    layer.forward = lambda x, mask: -inner(x, mask)


def subclass_attention(nlp: Any) -> None:
    from curated_transformers.models.attention import ScaledDotProductAttention

    class Uniform(ScaledDotProductAttention):
        def forward(self, k: Any, q: Any, v: Any, attn_mask: Any) -> Any:
            return super().forward(k, 0 * q, v, attn_mask)

    mha = encoder_of(nlp).layers[0].mha
    mha.attention = Uniform()


def convert_otherwise(nlp: Any) -> None:
    node = network_of(nlp)
    inner = node.attrs["convert_outputs"]
    node.attrs["convert_outputs"] = lambda *arguments: inner(*arguments)


def compute_in_double(nlp: Any) -> None:
    encoder_of(nlp).double()


@pytest.mark.parametrize(
    "change",
    [hook, replace_forward, subclass_attention, convert_otherwise, compute_in_double],
    ids=lambda each: each.__name__,
)
def test_a_network_that_does_something_else_is_left_alone(change: Callable[[Any], None]) -> None:
    nlp = transformer_pipeline(1)
    assert find_network(network_of(nlp)) is not None
    change(nlp)
    assert find_network(network_of(nlp)) is None
    texts = make_texts(20, seed=1)
    expected = vectors_of(nlp, texts)
    with GroupedSpans([nlp.get_pipe("transformer").model]).lent():
        found = vectors_of(nlp, texts)
    for [theirs], [ours] in zip(expected, found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=NOISE, rtol=0)


def test_another_network_is_left_alone() -> None:
    assert find_network(network_of(transformer_pipeline(network="Albert"))) is None


@pytest.mark.parametrize("network", ["Bert", "Roberta"])
def test_a_piece_that_stands_for_padding_is_not_attended_to(network: str) -> None:
    """As in stock spaCy, where a text may spell the piece with which spans are filled up."""
    nlp = transformer_pipeline(2, network=network)
    piece_encoder = nlp.get_pipe("transformer").model.get_ref("piece_encoder")
    piece_encoder.attrs["preprocess"] = lambda text: [text]
    docs = [Doc(nlp.vocab, words=text.split()) for text in ["[PAD]", "Ada [PAD] in London", *make_texts(10, seed=2)]]
    assert sum(bool((each.dataXd == 0).any()) for each in piece_encoder.predict(docs)) == 2
    expected = vectors_of(nlp, docs)
    with GroupedSpans([nlp.get_pipe("transformer").model]).lent():
        found = vectors_of(nlp, docs)
    for [theirs], [ours] in zip(expected, found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=NOISE, rtol=0)


def test_a_span_that_is_too_long_is_refused_as_in_stock_spacy() -> None:
    nlp = transformer_pipeline()
    node = network_of(nlp)
    spans = [np.full(200, 5, dtype=np.int32), np.full(3, 5, dtype=np.int32)]
    with pytest.raises(ValueError, match="At least one sequence"):
        node.predict(spans)
    with (
        GroupedSpans([nlp.get_pipe("transformer").model]).lent(),
        pytest.raises(ValueError, match="At least one sequence"),
    ):
        node.predict(spans)


def test_the_pipeline_is_afterwards_as_it_was() -> None:
    nlp = transformer_pipeline()
    node = network_of(nlp)
    before = node._func, node.shims[0]._model.training, dict(node.attrs)
    FusedEngine(nlp).annotate(make_texts(20, seed=1), Stopwatch())
    assert (node._func, node.shims[0]._model.training, dict(node.attrs)) == before


def test_packs_have_spans_by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardner.engine.packed_spans.PACK_PIECES", 10)
    assert list(make_packs([3, 9, 1, 9, 3, 12])) == [
        [Run([2], 0, 1), Run([0, 4], 1, 3)],
        [Run([1], 0, 9)],
        [Run([3], 0, 9)],
        [Run([5], 0, 12)],
    ]
    assert list(make_packs([])) == []
