"""The attributes of a batch's tokens, as arrays: what the encoder and the decoder know about texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shardner.engine.fused.arrays import HostInts, Keys

if TYPE_CHECKING:
    from spacy.tokens import Doc


@dataclass(frozen=True, slots=True)
class Tokens:
    """N tokens of documents that lie one after another.

    The attributes of the tokens are in a table of T types. Several tokens may have one type, and types may be equal.
    """

    types: Keys  # (T, K) attributes of each type
    columns: Mapping[str, int]  # the column of each attribute, by spaCy's name for it
    which: HostInts  # (N,) the type of each token
    begins: HostInts  # (N,) where each token starts in its document, in code points
    lengths: HostInts  # (documents,) number of tokens of each

    def __getitem__(self, attribute: str) -> Keys:
        """Return an attribute of all tokens, (N,)."""
        values: Keys = self.types[self.which, self.columns[attribute]]
        return values

    def __len__(self) -> int:
        return len(self.which)

    def distinct(self) -> tuple[HostInts, HostInts]:
        """Return the types (D,) that occur, in any order, and for each token (N,) the place of its type in them."""
        numbers = np.arange(len(self.which))
        last = np.empty(len(self.types), dtype=np.int64)  # token of each type that occurs
        last[self.which] = numbers
        stands_for = last[self.which]
        found = stands_for == numbers
        return self.which[found], (np.cumsum(found) - 1)[stands_for]


def read_tokens(docs: Sequence[Doc], attributes: Iterable[str]) -> Tokens:
    """Read attributes of all tokens of `docs`. Each token has a type of its own."""
    from spacy.attrs import IDS  # type: ignore[import-not-found]

    names = list(dict.fromkeys([*attributes, "IDX"]))
    wanted = [IDS[name] for name in names]  # as numbers: spaCy would look up names for each document
    parts = [doc.to_array(wanted) for doc in docs]
    flat = [np.empty(0, dtype=np.uint64), *(part.reshape(-1) for part in parts)]
    types = np.concatenate(flat, dtype=np.uint64).reshape(-1, len(names))
    columns = {name: column for column, name in enumerate(names)}
    return Tokens(
        types=types,
        columns=columns,
        which=np.arange(len(types)),
        begins=types[:, columns["IDX"]].astype(np.int64),
        lengths=np.array([len(part) for part in parts], dtype=np.int64),
    )


def compute_only(vocab: Any, attributes: Iterable[str]) -> None:
    """Let `vocab` compute these attributes, and no others, of words that are new to it.

    spaCy computes more than twenty attributes of each new word, with a call of a Python function for each.
    """
    kept = set(attributes)
    for attribute in list(vocab.lex_attr_getters):
        if attribute_name(attribute) not in kept:
            del vocab.lex_attr_getters[attribute]


def attribute_name(attribute: int | str) -> str:
    """Return spaCy's name of an attribute that is given by name or by number."""
    from spacy.attrs import IDS

    if isinstance(attribute, str):
        return attribute.upper()
    # in spaCy's list NAMES, some names are not at their numbers
    return next(str(name) for name, number in IDS.items() if number == attribute)
