"""The attributes of a batch's tokens as one array, read from the documents once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    wanted: list[int | str] = list(dict.fromkeys(attributes))
    # a list of one attribute would give an array of one dimension
    parts = [doc.to_array(wanted).reshape(len(doc), len(wanted)) for doc in docs]
    values = np.concatenate(parts, dtype=np.uint64) if parts else np.empty((0, len(wanted)), dtype=np.uint64)
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return Tokens(values, {str(attribute): i for i, attribute in enumerate(wanted)}, lengths)


def concatenate(parts: Sequence[Tokens], attributes: Sequence[str]) -> Tokens:
    """Return the tokens of all parts, each of which has these attributes, in this order."""
    if len(parts) == 1:
        return parts[0]
    return Tokens(
        values=np.concatenate([np.empty((0, len(attributes)), dtype=np.uint64), *(part.values for part in parts)]),
        columns={attribute: column for column, attribute in enumerate(attributes)},
        lengths=np.concatenate([np.empty(0, dtype=np.int64), *(part.lengths for part in parts)]),
    )


def attribute_name(attribute: int | str) -> str:
    """Return spaCy's name of an attribute that is given by name or by number."""
    from spacy.attrs import IDS  # type: ignore[import-not-found]

    if isinstance(attribute, str):
        return attribute.upper()
    # spaCy's own list, NAMES, does not have each name at its number
    return next(str(name) for name, number in IDS.items() if number == attribute)
