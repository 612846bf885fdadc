"""The window encoder: convolutions with maxout, layer normalisation and residual connections, over a whole batch.

Reproduces ``MaxoutWindowEncoder`` of ``spacy/ml/models/tok2vec.py`` and the layers of thinc that it is made of
(``with_array``, ``residual``, ``expand_window``, ``maxout``, ``layernorm``): the same sums in float32, in another
order here and there, so vectors agree to within rounding.

Documents lie end to end in one array, with as many rows of zeros between them and at both ends as the encoder sees
tokens to either side. Those rows are tokens like any other to the convolutions and do not stay zero. A convolution
treats all rows alike, so the array can be cut anywhere, with an overlap: blocks keep the work in the CPU's cache.
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

    def __init__(self, residual: Layer, xp: Module) -> None:
        expand, maxout, norm, *_ = unchain(residual.layers[0])
        weights, self._xp = maxout.get_param("W"), xp  # (width, pieces, inputs)
        self.window = int(expand.attrs["window_size"])
        self.width, self.pieces, _ = weights.shape
        # pieces before units, so that the maxout is over contiguous parts of a row
        self.weights = to_device(xp, weights.transpose(2, 1, 0).reshape(weights.shape[2], -1), "f")
        self.bias = to_device(xp, maxout.get_param("b").T.reshape(-1), "f")
        self._gain, self._shift = (to_device(xp, norm.get_param(name), "f") for name in ("G", "b"))
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

    def apply(self, rows: Array) -> Array:
        """Return (n - 2 * window, width) of rows (n, width)."""
        count, width = len(rows) - 2 * self.window, self.width
        expanded = self._xp.empty((count, len(self.weights)), dtype="f")
        for offset in range(2 * self.window + 1):
            expanded[:, offset * width : (offset + 1) * width] = rows[offset : offset + count]
        summed = expanded @ self.weights
        summed += self.bias
        return self.finish(rows, summed)

    def finish(self, rows: Array, summed: Array) -> Array:
        """Return what `apply` does, from the weighted sums (n - 2 * window, pieces * width) with the bias."""
        best = summed[:, : self.width]
        for piece in range(1, self.pieces):
            best = self._xp.maximum(best, summed[:, piece * self.width : (piece + 1) * self.width])
        best = best - (best @ self._mean)[:, None]
        scale = self._xp.einsum("ij,ij->i", best, best)
        scale /= self.width
        scale += EPSILON
        best *= (scale**-0.5)[:, None]
        best *= self._gain
        best += self._shift
        best += rows[self.window : len(rows) - self.window]
        return best


class Encoder:
    """Computes tokens' vectors from their attributes."""

    def __init__(self, layers: EncoderLayers, vocab: Vocab, xp: Module) -> None:
        self._xp = xp
        self._convolutions = [_Convolution(layer, xp) for layer in layers.convolutions]
        self._seen = sum(layer.window for layer in self._convolutions)
        self._block_rows = CPU_BLOCK_ROWS if xp is np else GPU_BLOCK_ROWS
        first = self._convolutions[0]
        # The sums of the first convolution are of products, each of one row: kept beside that row's embedding.
        parts = first.weights.reshape(2 * first.window + 1, first.width, -1)
        self._sums = parts.shape[2]
        self._embedding = Embedding(layers.embedding, vocab, to_device(xp, xp.concatenate(list(parts), axis=1)), xp)

    @property
    def attributes(self) -> list[str]:
        """Names of the token attributes that it reads."""
        return self._embedding.attributes

    def encode(self, tokens: Tokens) -> Array:
        """Return the vectors (N, width) float32 of N tokens."""
        xp = self._xp
        lengths = tokens.lengths[tokens.lengths > 0]
        # the padding before a token: one run of rows for each document up to its own
        places = np.arange(len(tokens)) + self._seen * np.repeat(np.arange(1, len(lengths) + 1), lengths)
        rows = np.zeros(len(tokens) + self._seen * (len(lengths) + 1), dtype=np.int64)
        rows[places] = self._embedding.look_up(tokens)
        return self._encode_rows(to_device(xp, rows), places - self._seen)

    def _encode_rows(self, rows: Array, wanted: HostInts) -> Array:
        """Return vectors (N, width) of rows (n,) of the table.

        Args:
            rows: tokens and padding.
            wanted: (N,) which of the n - 2 * seen rows that are not near an end, in order.
        """
        count = len(rows) - 2 * self._seen
        vectors = self._xp.empty((len(wanted), self._convolutions[-1].width), dtype="f")
        for begin in range(0, count, self._block_rows):
            end = min(begin + self._block_rows, count)
            first, last = np.searchsorted(wanted, (begin, end))
            inside = to_device(self._xp, wanted[first:last] - begin)
            vectors[first:last] = self._encode_block(rows[begin : end + 2 * self._seen])[inside]
        return vectors

    def _encode_block(self, rows: Array) -> Array:
        first, *others = self._convolutions
        count = len(rows) - 2 * first.window
        table = self._embedding.projected
        summed = self._xp.zeros((count, self._sums), dtype="f")
        summed += first.bias
        for offset in range(2 * first.window + 1):
            part = table[:, offset * self._sums : (offset + 1) * self._sums]
            summed += part[rows[offset : offset + count]]
        values = first.finish(self._embedding.embedded[rows], summed)
        for layer in others:
            values = layer.apply(values)
        return values
