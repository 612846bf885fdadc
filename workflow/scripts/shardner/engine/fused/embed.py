"""A table of the embeddings of distinct tokens, each computed once by spaCy's own embedding layers.

The embedding of a token is a function of a few of its attributes, and most of these belong to the lexeme. So the table
has a row for each distinct token that has occurred, and the tokens of a batch become row numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shardner.engine.fused.arrays import Array, HostInts, Keys, Module, to_device
from shardner.engine.fused.layers import Layer, UnsupportedError, runs
from shardner.engine.fused.tokens import Tokens, attribute_name
from shardner.engine.products import Products
from shardner.gpu.memory import fit_table

if TYPE_CHECKING:
    from spacy.vocab import Vocab

#: Bytes of the table on a CPU. A table that is full forgets an eighth of its tokens: those used least recently.
TABLE_BYTES = 64 << 20

#: Layers that compute the row of a token from the row of that token alone.
TOKENWISE = (
    "spacy.ml.featureextractor",
    "spacy.ml.staticvectors",
    "thinc.layers.array_getitem",
    "thinc.layers.chain",
    "thinc.layers.concatenate",
    "thinc.layers.dropout",
    "thinc.layers.hashembed",
    "thinc.layers.layernorm",
    "thinc.layers.list2ragged",
    "thinc.layers.maxout",
    "thinc.layers.ragged2list",
    "thinc.layers.with_array",
)

#: Attributes that may differ between tokens of one lexeme (``get_token_attr`` of ``spacy/tokens/doc.pyx``).
TOKEN_ATTRIBUTES = frozenset(
    ("DEP", "ENT_ID", "ENT_IOB", "ENT_KB_ID", "ENT_TYPE", "HEAD", "IDX", "LEMMA", "MORPH", "NORM", "POS", "SENT_START",
     "SPACY", "TAG")
)  # fmt: skip


class Embedding:
    """A bounded table with a row for each distinct token. Row 0 is for padding, whose embedding is all zeros."""

    def __init__(
        self,
        layers: Sequence[Layer],
        vocab: Vocab,
        projections: Sequence[tuple[Array, Array]],
        xp: Module,
        products: Products,
    ) -> None:
        """Start an empty table.

        Args:
            layers: the embedding layers, which `check_embedding` accepted.
            vocab: of the documents that will be looked up.
            projections: affine maps whose results are kept beside each embedding: weights (width, M) and bias (M,)
                float32 of each map.
            xp: ``numpy`` or ``cupy``, in whose memory the table lies.
            products: make the products of the maps.
        """
        self.layers = layers
        self._vocab = vocab
        self._biases = [bias for _, bias in projections]
        self._multiply = [products.of(weights, bias) for weights, bias in projections]
        self._xp = xp
        self.attributes = embedded_attributes(layers, vocab)
        self._width = len(projections[0][0])
        table_bytes = TABLE_BYTES if xp is np else fit_table(xp.get_default_memory_pool().get_limit())
        self._limit = table_bytes // (4 * (self._width + sum(len(bias) for _, bias in projections)))
        self._start(self._limit)

    def _start(self, capacity: int) -> None:
        """Empty the table, except for the row of padding. Where memory runs out, it is left without any row."""
        self._drop()  # there may be no room for the arrays of two tables
        # NumPy's zeros take no memory until they are written to
        embedded = self._xp.zeros((capacity, self._width), dtype="f")
        projected = [self._xp.zeros((capacity, len(bias)), dtype="f") for bias in self._biases]
        for table, bias in zip(projected, self._biases, strict=True):
            table[0] = bias
        self.embedded, self.projected = embedded, projected
        self._free = np.arange(capacity - 1, 0, -1)  # rows that are not in use; the next is taken from the end
        self._last_used = np.zeros(capacity, dtype=np.int64)  # by row: number of the look-up

    def _drop(self) -> None:
        """Forget all tokens, and free the arrays."""
        self.embedded = self._xp.empty((0, self._width), dtype="f")
        self.projected = [self._xp.empty((0, len(bias)), dtype="f") for bias in self._biases]
        self._keys = np.array([np.iinfo(np.uint64).max], dtype=np.uint64)  # sorted; the last one ends the search
        self._rows = np.zeros(1, dtype=np.int64)  # by place in the keys
        self._free = np.empty(0, dtype=np.int64)
        self._last_used = np.empty(0, dtype=np.int64)
        self._look_ups = 0

    def __len__(self) -> int:
        """Return the number of distinct tokens in the table."""
        return len(self._keys) - 1

    def look_up(self, tokens: Tokens) -> HostInts:
        """Return the row number (N,) of each token, after computing the rows of new tokens."""
        if not len(self.embedded):  # memory ran out when the table was made
            self._start(self._limit)
        types, which = tokens.distinct()
        rows = self._look_up(_Lexemes(self._vocab, tokens.types[types], tokens.columns))
        self._look_ups += 1
        self._last_used[rows] = self._look_ups
        return rows[which]

    def _look_up(self, lexemes: _Lexemes) -> HostInts:
        """Return the row number of each lexeme."""
        keys = _keys(lexemes, self.attributes)
        places = np.searchsorted(self._keys, keys)
        rows = self._rows[places]
        new = np.flatnonzero(self._keys[places] != keys)
        if len(new):
            distinct, first, which = np.unique(keys[new], return_index=True, return_inverse=True)
            if len(distinct) > len(self._free):
                self._make_room(np.unique(keys))
                return self._look_up(lexemes)
            rows[new] = self._add(distinct, lexemes.take(new[first]))[which]
        return rows

    def _make_room(self, needed: Keys) -> None:
        """Forget the tokens that were used least recently, so that there is room for the `needed` keys, sorted."""
        capacity = max(self._limit, len(needed) + 1)
        if capacity != len(self.embedded):  # one batch needs more than the limit, or an earlier batch did
            self._start(capacity)
            return
        kept = max(0, min(capacity - capacity // 8, capacity - 1 - len(needed)))
        by_age = np.argsort(self._last_used[self._rows[:-1]], kind="stable")  # oldest first
        forgotten = by_age[: max(0, len(self) - kept)]
        self._free = np.append(self._free, self._rows[forgotten])
        self._keys, self._rows = np.delete(self._keys, forgotten), np.delete(self._rows, forgotten)

    def _add(self, keys: Keys, lexemes: _Lexemes) -> HostInts:
        """Compute the rows of new lexemes, given with their `keys`, sorted; return the numbers of the rows.

        If that raises, the lexemes are not in the table, and the rows stay free.
        """
        embedded = to_device(self._xp, self._embed(lexemes), "f")
        free, rows = np.split(self._free, [len(self._free) - len(keys)])
        there = to_device(self._xp, rows)
        self.embedded[there] = embedded
        for table, multiply in zip(self.projected, self._multiply, strict=True):
            table[there] = multiply(embedded)
        self._free = free
        places = np.searchsorted(self._keys, keys)
        self._keys = np.insert(self._keys, places, keys)
        self._rows = np.insert(self._rows, places, rows)
        return rows

    def _embed(self, lexemes: _Lexemes) -> Array:
        values: Any = [lexemes]
        for layer in self.layers:
            values = layer.predict(values)
        return values[0]


class _Lexemes:
    """Stands for a document of n tokens: it has what embedding layers ask of one."""

    def __init__(self, vocab: Vocab, values: Keys, columns: Mapping[str, int]) -> None:
        """Take attributes (n, K) of tokens, and the column of each attribute by name."""
        self.vocab = vocab
        self._values = values
        self._columns = columns

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, attribute: str) -> Keys:
        """Return an attribute of all tokens, (n,)."""
        return self._values[:, self._columns[attribute]]

    def take(self, numbers: HostInts) -> _Lexemes:
        """Return the tokens with these numbers."""
        return _Lexemes(self.vocab, self._values[numbers], self._columns)

    def to_array(self, attributes: int | str | Sequence[int | str]) -> Keys:
        """Return attributes as ``Doc.to_array`` does: (n,) for one attribute, (n, k) for a list of k."""
        if isinstance(attributes, int | str):
            return self[attribute_name(attributes)]
        return np.stack([self[attribute_name(each)] for each in attributes], axis=1)


def check_embedding(layers: Sequence[Layer]) -> None:
    """Raise `UnsupportedError` unless `layers` compute the embedding of a token from its attributes alone."""
    extracts = False
    for node in (node for layer in layers for node in layer.walk()):
        extracts |= runs(node, "spacy.ml.featureextractor")
        if not any(runs(node, module) for module in TOKENWISE):
            raise UnsupportedError(f"an embedding with the unknown layer {node.name!r}")
        if runs(node, "thinc.layers.array_getitem") and not _is_one_column(node.attrs["index"]):
            raise UnsupportedError("an embedding that indexes its tokens")
    if not extracts or not runs(layers[-1], "thinc.layers.ragged2list"):
        raise UnsupportedError("an unknown embedding")


def embedded_attributes(layers: Sequence[Layer], vocab: Vocab) -> list[str]:
    """Return the names of the attributes that embedding layers read."""
    attributes = ["ORTH"]
    for node in (node for layer in layers for node in layer.walk()):
        if runs(node, "spacy.ml.featureextractor"):
            attributes += map(attribute_name, node.attrs["columns"])
        elif runs(node, "spacy.ml.staticvectors"):
            attributes.append(attribute_name(getattr(vocab.vectors, "attr", "ORTH")))
    return list(dict.fromkeys(attributes))


def _is_one_column(index: Any) -> bool:
    return isinstance(index, tuple) and len(index) == 2 and index[0] == slice(0, None) and isinstance(index[1], int)


def _keys(lexemes: _Lexemes, attributes: Sequence[str]) -> Keys:
    """Return a key (n,) for each token; two tokens have the same key if all `attributes` are the same.

    The key is made of ORTH, from which all attributes of a lexeme follow, and of the attributes that may differ between
    tokens of a lexeme. Two different tokens have one key as rarely as two words have one 64-bit hash in spaCy.
    """
    keys = lexemes["ORTH"].copy()
    for attribute in attributes:
        if attribute in TOKEN_ATTRIBUTES:
            keys *= np.uint64(0x9E3779B97F4A7C15)  # odd, so that no two keys become one
            keys += lexemes[attribute]
    return keys
