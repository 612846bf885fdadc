"""What an encoder is: it computes the vectors of tokens that the recogniser reads.

An encoder has a module with two things: a function that takes an `EncoderSource` and returns an `EncoderPlan`, or
raises `UnsupportedError` with the reason why the encoder does not compute these vectors; and a class that computes
them. `support.ENCODERS` lists the functions in the order in which they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shardner.engine.fused.arrays import Array, Module
from shardner.engine.fused.layers import Layer
from shardner.engine.fused.tokens import Tokens
from shardner.engine.products import Products

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


class Encoder(Protocol):
    """Computes the vectors of tokens."""

    @property
    def spacy_layers(self) -> Sequence[Layer]:
        """The layers of the pipeline that compute for the encoder."""
        ...

    def encode(self, docs: Sequence[Doc], tokens: Tokens) -> Array:
        """Return the vectors (N, width) float32 of N tokens.

        Args:
            docs: the documents of the tokens; empty unless `EncoderPlan.needs_documents`.
            tokens: with the attributes of `EncoderPlan.attributes`.
        """
        ...


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """What is known about an encoder before it is built."""

    reason: str  # what is fused, and why no more is; shown to users
    attributes: tuple[str, ...]  # of tokens, that the encoder reads; by spaCy's names
    seen: int | None  # tokens to each side that the vector of a token depends on; None: all of the document
    needs_documents: bool  # it reads spaCy's documents, and not only attributes of tokens
    build: Callable[[Module, Products], Encoder]  # returns the encoder, which computes with ``numpy`` or ``cupy``


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """Where the vectors that a recogniser reads come from in its pipeline."""

    nlp: Language
    layers: Sequence[Layer]  # of the recogniser's model: from documents to one array of vectors
    shared: str | None  # name of the component that computes the vectors, if the recogniser listens to one
    replaceable: bool  # no component but the recogniser needs what the components before it write
