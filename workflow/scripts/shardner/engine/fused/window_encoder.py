"""The window encoder: convolutions with maxout, layer normalisation and residual connections, over a whole batch.

Reproduces ``MaxoutWindowEncoder`` of ``spacy/ml/models/tok2vec.py`` and the layers of thinc that it consists of
(``with_array``, ``residual``, ``expand_window``, ``maxout``, ``layernorm``). The sums are the same, in float32, but
some are taken in another order, so the vectors agree to within rounding.

The documents lie one after another in one array. Between them and at both ends are rows of zeros, as many as the
encoder sees tokens to each side. To the convolutions those rows are tokens like any others, and they do not stay zero.
A convolution treats all rows alike, so the array can be cut anywhere, with an overlap. The encoder works on blocks of
it, which fit the CPU's cache.

What a row of padding becomes matters to a token only if the layers that are left see so far. So each layer leaves out
the padding that is too far from any token, and the last layer computes tokens only. This helps with short documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from shardner.engine.fused.arrays import Array, HostInts, Module, multiply_rows, to_device
from shardner.engine.fused.embed import Embedding, check_embedding, embedded_attributes
from shardner.engine.fused.encoder import EncoderPlan, EncoderSource
from shardner.engine.fused.layer_kernel import LayerKernel
from shardner.engine.fused.layers import Layer, UnsupportedError, expect, runs, unchain
from shardner.engine.fused.tokens import Tokens
from shardner.engine.products import Products, fill_up

if TYPE_CHECKING:
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

#: Rows encoded at once: on a CPU the arrays of a block stay in the cache; a GPU needs large blocks.
CPU_BLOCK_ROWS, GPU_BLOCK_ROWS = 768, 1 << 16
#: What thinc adds to the variance before it divides.
EPSILON = 1e-8


def plan_window_encoder(source: EncoderSource) -> EncoderPlan:
    """Return the plan for a hash embedding with a window encoder.

    Raises:
        UnsupportedError: the vectors come from something else, or from a component that other components need too.
    """
    *own, _ = source.layers
    if source.shared is not None:
        own = [_shared_model(source, own)]
    layers = find_layers(own)
    attributes = tuple(embedded_attributes(layers.embedding, source.nlp.vocab))
    if source.shared is not None and not (source.replaceable and "SENT_START" not in attributes):
        raise UnsupportedError(f"shared {source.shared!r}")  # it runs for others, and so its vectors are there
    kind = "hash-embedding CNN" if source.shared is None else "shared hash-embedding CNN"
    return EncoderPlan(
        reason=f"fused decoder and encoder: {kind}",
        attributes=attributes,
        seen=layers.seen,
        needs_documents=False,
        build=partial(WindowEncoder, layers, source.nlp.vocab),
    )


def _shared_model(source: EncoderSource, own: Sequence[Layer]) -> Layer:
    """Return the model of the component that the recogniser's `own` layers listen to."""
    from spacy.pipeline import Tok2Vec

    pipe = source.nlp.get_pipe(str(source.shared))
    if type(pipe) is not Tok2Vec or len(own) != 1 or not runs(own[0], "spacy.pipeline.tok2vec"):
        raise UnsupportedError(f"shared {source.shared!r}")
    return pipe.model


@dataclass(frozen=True, slots=True)
class EncoderLayers:
    """The layers of a tok2vec model that `WindowEncoder` computes."""

    embedding: list[Layer]
    convolutions: list[Layer]  # each is a residual layer
    seen: int  # tokens to each side


def find_layers(model: Layer | Sequence[Layer]) -> EncoderLayers:
    """Return the layers of a tok2vec model.

    Raises:
        UnsupportedError: the model is not a hash embedding with a window encoder of maxout layers.
    """
    layers = [each for layer in ([model] if not isinstance(model, Sequence) else model) for each in unchain(layer)]
    *embedding, outer = layers
    if not embedding or not runs(outer, "thinc.layers.with_array"):
        raise UnsupportedError(f"an unknown encoder ({outer.name[:60]})")
    check_embedding(embedding)
    convolutions = unchain(outer.layers[0])
    seen = sum(_Convolution.window_of(layer) for layer in convolutions)
    if outer.attrs["pad"] != seen:
        raise UnsupportedError(f"an encoder with {outer.attrs['pad']} padding rows that sees {seen} tokens each side")
    return EncoderLayers(embedding, convolutions, seen)


class _Convolution:
    """One layer: each row becomes a function of itself and of `window` rows to each side."""

    def __init__(self, residual: Layer, xp: Module, products: Products, lacking: Array) -> None:
        """Read the weights of a layer. All rows that it will be given lack the vector `lacking`, (width,) or 0."""
        expand, maxout, norm, *_ = unchain(residual.layers[0])
        weights, self._xp = maxout.get_param("W"), xp  # (width, pieces, inputs)
        self.window = int(expand.attrs["window_size"])
        self.width, self.pieces, _ = weights.shape
        # pieces before units, so that the maxout takes the maximum of contiguous parts of a row
        self.weights = to_device(xp, weights.transpose(2, 1, 0).reshape(weights.shape[2], -1), "f")
        bias = to_device(xp, maxout.get_param("b").T.reshape(-1), "f")
        self.bias = bias + xp.tile(xp.zeros(self.width, dtype="f") + lacking, 2 * self.window + 1) @ self.weights
        self._gain = to_device(xp, norm.get_param("G"), "f")
        self.lacking = lacking + to_device(xp, norm.get_param("b"), "f")
        # on a GPU a kernel adds the bias
        self._kernel = None if xp is np else LayerKernel(xp, self.width, self.pieces, EPSILON)
        self._multiply = products.of(self.weights, self.bias if self._kernel is None else None)
        self._mean, self._no_bias = products.means(self.width), xp.zeros_like(self.bias)

    @staticmethod
    def window_of(residual: Layer) -> int:
        """Return the window of a layer, or raise `UnsupportedError` if the layer is of another kind."""
        layers = unchain(expect(residual, "thinc.layers.residual").layers[0])
        for layer, kind in zip(layers, ("expand_window", "maxout", "layernorm", "dropout"), strict=False):
            expect(layer, f"thinc.layers.{kind}")
        if len(layers) not in (3, 4):
            raise UnsupportedError(f"an encoder with the unknown layer {residual.name!r}")
        return int(layers[0].attrs["window_size"])

    def apply(self, rows: Array, wanted: Array | None = None) -> Array:
        """Return what this layer makes of rows (n, width), which must be contiguous.

        Returns:
            (n - 2 * window, width), or those of these rows that have the numbers `wanted`.
        """
        # the neighbours of a row lie beside it in memory, so all that it sees is one contiguous run
        count, inputs = len(rows) - 2 * self.window, len(self.weights)
        seen = self._xp.lib.stride_tricks.as_strided(rows, (count, inputs), rows.strides)
        taken = count if wanted is None else len(wanted)
        expanded = self._xp.empty((fill_up(self._multiply, taken), inputs), dtype=rows.dtype)
        if wanted is None:
            expanded[:taken] = seen
        else:
            self._xp.take(seen, wanted, axis=0, out=expanded[:taken], mode="clip")  # it need not look for errors
        if taken < len(expanded):
            expanded[taken:] = 0
        middle = expanded[:, self.window * self.width : (self.window + 1) * self.width]
        summed = self._multiply(expanded)
        if self._kernel is not None:
            return self._kernel(summed, self.bias, middle, self._gain)
        return self._finish(middle, summed)[:taken]

    def finish(self, rows: Array, summed: Array) -> Array:
        """Return what the layer makes of rows (n, width), without the vector `lacking`.

        Args:
            rows: what the layer was given.
            summed: (n, pieces * width) the weighted sums of what each row sees, with the bias.
        """
        if self._kernel is not None:
            return self._kernel(summed, self._no_bias, rows, self._gain)
        return self._finish(rows, summed)

    def _finish(self, rows: Array, summed: Array) -> Array:
        pieces = [summed[:, piece * self.width : (piece + 1) * self.width] for piece in range(self.pieces)]
        best = self._xp.maximum(pieces[0], pieces[-1])
        for piece in pieces[1:-1]:
            self._xp.maximum(best, piece, out=best)
        best -= self._mean(best)[:, None]
        scale = multiply_rows(self._xp, best, best)
        scale /= self.width
        scale += EPSILON
        best *= (scale**-0.5)[:, None]
        best *= self._gain
        best += rows
        return best


class WindowEncoder:
    """Computes the vectors of tokens from their attributes."""

    def __init__(self, layers: EncoderLayers, vocab: Vocab, xp: Module, products: Products) -> None:
        self._xp = xp
        self._convolutions: list[_Convolution] = []
        # A layer norm adds one vector to all rows. It is left to the bias of the next layer. Where there is no next
        # layer, it is added to the result.
        self._lacking: Array = 0.0
        for layer in layers.convolutions:
            self._convolutions.append(_Convolution(layer, xp, products, self._lacking))
            self._lacking = self._convolutions[-1].lacking
        self._seen = layers.seen
        first = self._convolutions[0]
        # so that no product is of more rows than that, though a block is encoded with what its tokens see; and a block
        # has one token at least: it is longer than the padding between two documents
        beside = 2 * sum(layer.window for layer in self._convolutions[2:])
        self._block_rows = max(CPU_BLOCK_ROWS - beside, self._seen + 1) if xp is np else GPU_BLOCK_ROWS
        # The first convolution sums products of one row each. The table keeps these products beside the embedding.
        parts = first.weights.reshape(2 * first.window + 1, first.width, -1)
        biases = [first.bias if offset == first.window else xp.zeros_like(first.bias) for offset in range(len(parts))]
        self._embedding = Embedding(layers.embedding, vocab, list(zip(parts, biases, strict=True)), xp, products)

    @property
    def spacy_layers(self) -> Sequence[Layer]:
        """See `Encoder`."""
        return self._embedding.layers

    def encode(self, docs: Sequence[Doc], tokens: Tokens) -> Array:
        """See `Encoder`; the documents are not needed."""
        lengths = tokens.lengths[tokens.lengths > 0]
        # before a token there is one run of padding for its own document and one for each document before
        places = np.arange(len(tokens)) + self._seen * np.repeat(np.arange(1, len(lengths) + 1), lengths)
        rows = np.zeros(len(tokens) + self._seen * (len(lengths) + 1), dtype=np.int64)
        rows[places] = self._embedding.look_up(tokens)
        return self._encode_rows(to_device(self._xp, rows), _distances(places, len(rows)), len(tokens))

    def _encode_rows(self, rows: Array, distances: HostInts, tokens: int) -> Array:
        """Return the vectors (N, width) of tokens.

        Args:
            rows: (n,) row numbers in the table, of tokens and of padding.
            distances: (n,) from each row to the nearest token; 0 for a token.
            tokens: N.
        """
        vectors = self._xp.empty((tokens, self._convolutions[-1].width), dtype="f")
        done = 0
        for begin in range(self._seen, len(rows) - self._seen, self._block_rows):
            end = min(begin + self._block_rows, len(rows) - self._seen)
            block = slice(begin - self._seen, end + self._seen)
            encoded = self._encode_block(rows[block], distances[block])
            vectors[done : done + len(encoded)] = encoded
            done += len(encoded)
        vectors += self._lacking
        return vectors

    def _encode_block(self, rows: Array, distances: HostInts) -> Array:
        """Return the vectors of the tokens in a block, except for tokens that see beyond its ends."""
        first, *others = self._convolutions
        values = self._convolve_first(rows)
        distances = distances[first.window : len(distances) - first.window]
        reach = self._seen - first.window
        for layer in others:
            distances = distances[layer.window : len(distances) - layer.window]
            reach -= layer.window
            wanted = np.flatnonzero(distances <= reach)
            # a GPU computes padding in less time than it takes to send which rows are padding
            if self._xp is np and len(wanted) < len(distances):
                values = layer.apply(values, to_device(self._xp, wanted))
                distances = distances[wanted]
            else:
                values = layer.apply(values)
        return values if others and self._xp is np else values[to_device(self._xp, np.flatnonzero(distances == 0))]

    def _convolve_first(self, rows: Array) -> Array:
        """Return what the first layer makes of rows (n,) of the table, where its products lie."""
        first, embedding = self._convolutions[0], self._embedding
        count = len(rows) - 2 * first.window
        summed = embedding.projected[0].take(rows[:count], axis=0)
        for offset, table in enumerate(embedding.projected[1:], start=1):
            summed += table.take(rows[offset : offset + count], axis=0)
        middle = embedding.embedded.take(rows[first.window : first.window + count], axis=0)
        return first.finish(middle, summed)


def _distances(places: HostInts, count: int) -> HostInts:
    """Return the distance (count,) from each row to the nearest of `places`, which are sorted."""
    numbers = np.arange(count)
    after = np.minimum(np.searchsorted(places, numbers), len(places) - 1)
    before = np.maximum(after - 1, 0)
    distances: HostInts = np.minimum(abs(places[after] - numbers), abs(places[before] - numbers))
    return distances
