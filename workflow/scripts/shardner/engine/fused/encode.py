"""The window encoder: convolutions with maxout, layer normalisation and residual connections, over a whole batch.

Reproduces ``MaxoutWindowEncoder`` of ``spacy/ml/models/tok2vec.py`` and the layers of thinc that it is made of
(``with_array``, ``residual``, ``expand_window``, ``maxout``, ``layernorm``): the same sums in float32, in another
order here and there, so vectors agree to within rounding.

Documents lie end to end in one array, with as many rows of zeros between them and at both ends as the encoder sees
tokens to either side. Those rows are tokens like any other to the convolutions and do not stay zero. A convolution
treats all rows alike, so the array can be cut anywhere, with an overlap: blocks keep the work in the CPU's cache.

What a row of padding becomes matters to a token only if the layers still to come see that far. So padding is dropped
layer by layer, the farthest from a token first, and the last layer computes tokens alone: a gain with short documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shardner.engine.fused.arrays import Array, HostInts, Module, to_device
from shardner.engine.fused.embed import Embedding, check_embedding
from shardner.engine.fused.layers import Layer, UnsupportedError, expect, runs, unchain
from shardner.engine.fused.tokens import Tokens

if TYPE_CHECKING:
    from spacy.vocab import Vocab

#: Rows encoded at once: on a CPU a block's arrays stay in the cache, a GPU wants large ones.
CPU_BLOCK_ROWS, GPU_BLOCK_ROWS = 768, 1 << 16
#: What thinc adds to the variance before it divides.
EPSILON = 1e-8


@dataclass(frozen=True, slots=True)
class EncoderLayers:
    """Layers of a tok2vec model that `Encoder` computes, as found in it."""

    embedding: list[Layer]
    convolutions: list[Layer]  # each a residual layer


def find_layers(model: Layer | Sequence[Layer]) -> EncoderLayers:
    """Return the layers of a tok2vec model.

    Raises:
        UnsupportedError: it is not a hash embedding with a window encoder of maxout layers.
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
    return EncoderLayers(embedding, convolutions)


class _Convolution:
    """One layer: each row becomes a function of itself and `window` rows either side of it."""

    def __init__(self, residual: Layer, xp: Module, lacking: Array) -> None:
        """Read a layer whose rows all come without the vector `lacking`, (width,) or 0."""
        expand, maxout, norm, *_ = unchain(residual.layers[0])
        weights, self._xp = maxout.get_param("W"), xp  # (width, pieces, inputs)
        self.window = int(expand.attrs["window_size"])
        self.width, self.pieces, _ = weights.shape
        # pieces before units, so that the maxout is over contiguous parts of a row
        self.weights = to_device(xp, weights.transpose(2, 1, 0).reshape(weights.shape[2], -1), "f")
        bias = to_device(xp, maxout.get_param("b").T.reshape(-1), "f")
        self.bias = bias + xp.tile(xp.zeros(self.width, dtype="f") + lacking, 2 * self.window + 1) @ self.weights
        self._gain = to_device(xp, norm.get_param("G"), "f")
        self.lacking = lacking + to_device(xp, norm.get_param("b"), "f")
        self._mean = xp.full(self.width, 1 / self.width, dtype="f")

    @staticmethod
    def window_of(residual: Layer) -> int:
        """Return the window of a layer, or raise `UnsupportedError` where it is of another kind."""
        layers = unchain(expect(residual, "thinc.layers.residual").layers[0])
        for layer, kind in zip(layers, ("expand_window", "maxout", "layernorm", "dropout"), strict=False):
            expect(layer, f"thinc.layers.{kind}")
        if len(layers) not in (3, 4):
            raise UnsupportedError(f"an encoder with the unknown layer {residual.name!r}")
        return int(layers[0].attrs["window_size"])

    def apply(self, rows: Array, wanted: Array | None = None) -> Array:
        """Return the rows (n - 2 * window, width) that this layer makes of rows (n, width), or the `wanted` of them.

        `rows` must be contiguous.
        """
        # a row's neighbours lie beside it in memory: what it sees is one run, and taken in one go
        count, inputs = len(rows) - 2 * self.window, len(self.weights)
        seen = self._xp.lib.stride_tricks.as_strided(rows, (count, inputs), rows.strides)
        expanded = self._xp.ascontiguousarray(seen) if wanted is None else seen[wanted]
        middle = expanded[:, self.window * self.width : (self.window + 1) * self.width]
        summed = expanded @ self.weights
        summed += self.bias
        return self.finish(middle, summed)

    def finish(self, rows: Array, summed: Array) -> Array:
        """Return what the layer makes of rows (n, width), less the vector `lacking`.

        Args:
            rows: that the layer was given.
            summed: (n, pieces * width) their weighted sums with the bias.
        """
        pieces = [summed[:, piece * self.width : (piece + 1) * self.width] for piece in range(self.pieces)]
        best = self._xp.maximum(pieces[0], pieces[-1])
        for piece in pieces[1:-1]:
            self._xp.maximum(best, piece, out=best)
        best -= (best @ self._mean)[:, None]
        scale = self._xp.einsum("ij,ij->i", best, best)
        scale /= self.width
        scale += EPSILON
        best *= (scale**-0.5)[:, None]
        best *= self._gain
        best += rows
        return best


class Encoder:
    """Computes tokens' vectors from their attributes."""

    def __init__(self, layers: EncoderLayers, vocab: Vocab, xp: Module) -> None:
        self._xp = xp
        self._convolutions: list[_Convolution] = []
        # What a layer norm adds is the same for all rows: it is left to the next layer's bias, and added at the end.
        self._lacking: Array = 0.0
        for layer in layers.convolutions:
            self._convolutions.append(_Convolution(layer, xp, self._lacking))
            self._lacking = self._convolutions[-1].lacking
        self.seen = sum(layer.window for layer in self._convolutions)  # tokens to each side
        self._block_rows = CPU_BLOCK_ROWS if xp is np else GPU_BLOCK_ROWS
        first = self._convolutions[0]
        # The sums of the first convolution are of products, each of one row: kept beside that row's embedding.
        parts = first.weights.reshape(2 * first.window + 1, first.width, -1)
        biases = [first.bias if offset == first.window else xp.zeros_like(first.bias) for offset in range(len(parts))]
        self._embedding = Embedding(layers.embedding, vocab, list(zip(parts, biases, strict=True)), xp)

    @property
    def attributes(self) -> list[str]:
        """Names of the token attributes that it reads."""
        return self._embedding.attributes

    def encode(self, tokens: Tokens) -> Array:
        """Return the vectors (N, width) float32 of N tokens."""
        lengths = tokens.lengths[tokens.lengths > 0]
        # the padding before a token: one run of rows for each document up to its own
        places = np.arange(len(tokens)) + self.seen * np.repeat(np.arange(1, len(lengths) + 1), lengths)
        rows = np.zeros(len(tokens) + self.seen * (len(lengths) + 1), dtype=np.int64)
        rows[places] = self._embedding.look_up(tokens)
        return self._encode_rows(to_device(self._xp, rows), _distances(places, len(rows)), len(tokens))

    def _encode_rows(self, rows: Array, distances: HostInts, tokens: int) -> Array:
        """Return vectors (N, width) of rows (n,) of the table.

        Args:
            rows: tokens and padding.
            distances: (n,) of each row to the next token, 0 for a token.
            tokens: N.
        """
        vectors = self._xp.empty((tokens, self._convolutions[-1].width), dtype="f")
        done = 0
        for begin in range(self.seen, len(rows) - self.seen, self._block_rows):
            end = min(begin + self._block_rows, len(rows) - self.seen)
            block = slice(begin - self.seen, end + self.seen)
            encoded = self._encode_block(rows[block], distances[block])
            vectors[done : done + len(encoded)] = encoded
            done += len(encoded)
        vectors += self._lacking
        return vectors

    def _encode_block(self, rows: Array, distances: HostInts) -> Array:
        """Return the vectors of the tokens in a block, other than those within reach of its ends."""
        first, *others = self._convolutions
        values = self._convolve_first(rows)
        distances = distances[first.window : len(distances) - first.window]
        reach = self.seen - first.window
        for layer in others:
            distances = distances[layer.window : len(distances) - layer.window]
            reach -= layer.window
            wanted = np.flatnonzero(distances <= reach)
            # a GPU computes padding faster than it is told which rows are
            if self._xp is np and len(wanted) < len(distances):
                values = layer.apply(values, to_device(self._xp, wanted))
                distances = distances[wanted]
            else:
                values = layer.apply(values)
        return values if others and self._xp is np else values[to_device(self._xp, np.flatnonzero(distances == 0))]

    def _convolve_first(self, rows: Array) -> Array:
        """Return what the first layer makes of rows (n,) of the table, whose sums lie there."""
        first, embedding = self._convolutions[0], self._embedding
        count = len(rows) - 2 * first.window
        summed = embedding.projected[0].take(rows[:count], axis=0)
        for offset, table in enumerate(embedding.projected[1:], start=1):
            summed += table.take(rows[offset : offset + count], axis=0)
        middle = embedding.embedded.take(rows[first.window : first.window + count], axis=0)
        return first.finish(middle, summed)


def _distances(places: HostInts, count: int) -> HostInts:
    """Return the distance (count,) of each row to the nearest of `places`, which are sorted."""
    numbers = np.arange(count)
    after = np.minimum(np.searchsorted(places, numbers), len(places) - 1)
    before = np.maximum(after - 1, 0)
    distances: HostInts = np.minimum(abs(places[after] - numbers), abs(places[before] - numbers))
    return distances
