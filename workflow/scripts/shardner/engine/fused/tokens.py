"""The attributes of a batch's tokens as one array, read from the documents once."""

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
    """N tokens of documents laid end to end, and K of their attributes, by spaCy's names for them."""

    values: Keys  # (N, K)
    columns: Mapping[str, int]  # column by attribute
    lengths: HostInts  # (documents,) tokens of each

    def __getitem__(self, attribute: str) -> Keys:
        """Return an attribute of all tokens, (N,)."""
        return self.values[:, self.columns[attribute]]

    def __len__(self) -> int:
        return len(self.values)


def read_tokens(docs: Sequence[Doc], attributes: Iterable[str]) -> Tokens:
    """Read attributes of all tokens of `docs`."""
    from spacy.attrs import IDS  # type: ignore[import-not-found]

    names = list(dict.fromkeys(attributes))
    wanted = [IDS[name] for name in names]  # by number: spaCy would look up the names for each document
    parts = [doc.to_array(wanted) for doc in docs]
    flat = [np.empty(0, dtype=np.uint64), *(part.reshape(-1) for part in parts)]
    return Tokens(
        values=np.concatenate(flat, dtype=np.uint64).reshape(-1, len(names)),
        columns={name: column for column, name in enumerate(names)},
        lengths=np.array([len(part) for part in parts], dtype=np.int64),
    )


def compute_only(vocab: Any, attributes: Iterable[str]) -> None:
    """Let words that `vocab` meets from now on have these attributes and no others.

    spaCy computes over twenty of a word, each by a call of Python, when it meets it for the first time.
    """
    kept = {*attributes, "LANG", "LOWER", "NORM"}
    for attribute in list(vocab.lex_attr_getters):
        if attribute_name(attribute) not in kept:
            del vocab.lex_attr_getters[attribute]


def attribute_name(attribute: int | str) -> str:
    """Return spaCy's name of an attribute that is given by name or by number."""
    from spacy.attrs import IDS

    if isinstance(attribute, str):
        return attribute.upper()
    # spaCy's own list, NAMES, does not have each name at its number
    return next(str(name) for name, number in IDS.items() if number == attribute)
