"""The network of the recogniser: from the vectors of tokens to the scores of actions.

Reproduces ``spacy/ml/parser_model.pyx`` (``predict_states``) and ``spacy/ml/_precomputable_affine.py``. The hidden
layer of a state is the maxout of a sum: one product for each of the three tokens of the state, and a bias. If a token
is missing, a learned padding takes the place of its product. The upper layer maps the hidden layer to the scores. A
model without an upper layer has one hidden unit per class, and the hidden layer is the scores.
"""

from __future__ import annotations

import numpy as np

from shardner.engine.fused.arrays import Array, Module, multiply_rows, to_device, to_host
from shardner.engine.fused.layers import Layer, UnsupportedError, expect, runs, unchain
from shardner.engine.fused.moves import Action, Moves
from shardner.engine.products import Products

#: The tokens of a state: the current one, the first one of the open entity, and the one before the current.
FEATURES = 3


class Scorer:
    """Scores the actions in states, given the vectors of tokens."""

    def __init__(self, model: Layer, moves: Moves, xp: Module, products: Products | None = None) -> None:
        """Read the weights of a recogniser's model, which `check_parser` has accepted."""
        self.xp = xp
        self.moves = moves
        linear, lower = unchain(model.get_ref("tok2vec"))[-1], model.get_ref("lower")
        products = products or Products(xp, steady=False)
        weights, bias = to_device(xp, linear.get_param("W").T, "f"), to_device(xp, linear.get_param("b"), "f")
        self._reduce = products.of(weights, bias)  # from the width to nI
        weights = lower.get_param("W")  # (3, hidden, pieces, nI)
        self._hidden, self._pieces = weights.shape[1:3]
        # pieces before units, so that the maxout takes the maximum of contiguous parts of a row
        lowers = to_device(xp, weights.transpose(0, 3, 2, 1).reshape(FEATURES, weights.shape[3], -1), "f")
        # inside an entity, one product serves the current token and the one before it
        self._current_and_previous = products.of(xp.concatenate([lowers[0], lowers[2]]))
        padding = to_device(xp, lower.get_param("pad")[0].transpose(0, 2, 1).reshape(FEATURES, -1), "f")
        bias = to_device(xp, lower.get_param("b").T.reshape(-1), "f")
        self._lower_outside = products.of(lowers[0], padding[1] + padding[2] + bias)
        self._lower_first = products.of(lowers[1], bias)
        #: (K,) what each of the classes that can be taken outside of entities does, and its label
        self.outside_actions = to_device(xp, moves.outside_actions)
        self.outside_labels = to_device(xp, moves.outside_labels)
        #: the numbers of those that do not begin an entity of several tokens
        self.not_begin = to_device(xp, np.flatnonzero(moves.outside_actions != Action.BEGIN))
        self._outside = to_device(xp, moves.outside_classes)
        self._inside = to_device(xp, moves.inside_classes)
        self._last = to_device(xp, moves.last_classes)
        self._last_wins_ties = self._last < self._inside
        self._has_upper = bool(model.attrs["has_upper"])
        if self._has_upper:
            upper = model.get_ref("upper")
            self._upper = to_device(xp, upper.get_param("W"), "f")  # (classes, hidden)
            self._upper_bias = to_device(xp, upper.get_param("b"), "f")
            outside = to_device(xp, self._upper[self._outside].T)
            self._upper_outside = products.of(outside, self._upper_bias[self._outside])

    def reduce(self, vectors: Array) -> Array:
        """Return the inputs of the hidden layer (N, nI) float32 for the vectors of tokens (N, width) float32."""
        return self._reduce(vectors)

    def score_outside(self, reduced: Array) -> Array:
        """Return the scores (N, K) float32 of `Moves.outside_classes` at each token while no entity is open."""
        hidden = self._maxout(self._lower_outside(reduced))
        if not self._has_upper:
            return hidden[:, self._outside]
        return self.xp.ascontiguousarray(self._upper_outside(hidden))  # for the choice among its columns

    def project_first(self, reduced: Array, first: Array) -> Array:
        """Return the products of tokens `first` (M,) as first tokens of entities, with the bias.

        Returns:
            (M, pieces * hidden) float32.
        """
        return self._lower_first(reduced[first])

    def score_inside(self, reduced: Array, current: Array, first: Array, labels: Array) -> tuple[Array, Array]:
        """Return the scores (M,) of I-x and of L-x in M states inside an entity with the label x.

        Args:
            reduced: (N, nI) of all tokens, of `reduce`.
            current: (M,) numbers of the current tokens.
            first: (M or 1, pieces * hidden) of `project_first`.
            labels: (M,) x, as indices into the labels.
        """
        both = self.xp.concatenate([reduced[current], reduced[current - 1]], axis=1)
        summed = self._current_and_previous(both)
        summed += first
        hidden = self._maxout(summed)
        return self._score(hidden, self._inside[labels]), self._score(hidden, self._last[labels])

    def prefers_last(self, inside: Array, last: Array, labels: Array) -> Array:
        """Tell where L-x scores above I-x, (M,) bool, given what `score_inside` returned.

        Of equal scores, the class with the lower number wins.
        """
        return (last > inside) | ((last == inside) & self._last_wins_ties[labels])

    def _score(self, hidden: Array, classes: Array) -> Array:
        """Return the score (M,) of one class per row."""
        if not self._has_upper:
            return hidden[self.xp.arange(len(hidden)), classes]
        return multiply_rows(self.xp, hidden, self._upper[classes]) + self._upper_bias[classes]

    def _maxout(self, summed: Array) -> Array:
        """Return the largest piece of each unit, (M, hidden). Overwrites `summed`."""
        best = summed[:, : self._hidden]
        for piece in range(1, self._pieces):
            begin = piece * self._hidden
            self.xp.maximum(best, summed[:, begin : begin + self._hidden], out=best)
        return best


def check_parser(model: Layer, classes: int) -> None:
    """Raise `UnsupportedError` unless `Scorer` can read `model`, with so many `classes`."""
    expect(model, "spacy.ml.tb_framework")
    lower = expect(model.get_ref("lower"), "spacy.ml._precomputable_affine")
    if lower.get_dim("nF") != FEATURES:
        raise UnsupportedError(f"{lower.get_dim('nF')} state features (extra_state_tokens), not {FEATURES}")
    *_, to_array, linear = unchain(model.get_ref("tok2vec"))
    expect(to_array, "thinc.layers.list2array")
    expect(linear, "thinc.layers.linear")
    output = lower
    if model.attrs["has_upper"]:
        output = expect(model.get_ref("upper"), "thinc.layers.linear")
    elif not runs(model.get_ref("upper"), "thinc.layers.noop"):
        raise UnsupportedError("an upper layer that is not used")
    for layer in (linear, lower, output):
        if not all(layer.has_param(name) for name in layer.param_names):
            raise UnsupportedError("the recogniser was never trained")
    if output.get_dim("nO") != classes:
        raise UnsupportedError(f"{output.get_dim('nO')} outputs for {classes} actions")
    _check_finite(linear, lower, output)


def _check_finite(*layers: Layer) -> None:
    for layer in layers:
        for name in layer.param_names:
            if not np.isfinite(to_host(layer.get_param(name))).all():
                raise UnsupportedError(f"weights of the layer {layer.name!r} that are not finite")
