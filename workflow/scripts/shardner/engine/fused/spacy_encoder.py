"""spaCy's own encoder, whatever it is: the pipeline's layers compute the vectors from documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shardner.engine.fused.arrays import Array, Module
from shardner.engine.fused.encoder import EncoderPlan, EncoderSource
from shardner.engine.fused.layers import Layer
from shardner.engine.fused.tokens import Tokens
from shardner.engine.products import Products

if TYPE_CHECKING:
    from spacy.tokens import Doc


def plan_spacy_encoder(source: EncoderSource, refusals: Sequence[str]) -> EncoderPlan:
    """Return the plan for any encoder; `refusals` are the reasons why no other encoder computes its vectors."""

    def build(xp: Module, products: Products) -> SpacyEncoder:
        return SpacyEncoder(source.layers)  # which compute where spaCy loaded them

    return EncoderPlan(
        reason=f"fused decoder, stock encoder: {'; '.join(refusals)}",
        attributes=(),
        seen=None,
        needs_documents=True,
        build=build,
    )


class SpacyEncoder:
    """Runs the layers of the recogniser's model, up to the vectors."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    @property
    def spacy_layers(self) -> Sequence[Layer]:
        """See `Encoder`."""
        return self._layers

    def encode(self, docs: Sequence[Doc], tokens: Tokens) -> Array:
        """See `Encoder`."""
        values: Any = docs
        for layer in self._layers:
            values = layer.predict(values)
        return values
