"""The layers of a transformer that nobody reads stay in Torch.

A pipeline of spacy-curated-transformers may ask for the vectors of all layers (`all_layer_outputs`). They are taken out
of Torch, averaged where windows overlap, copied, and left in ``doc._.trf_data``; a recogniser reads the last one, as a
rule. If that is so for all components, the others are not taken out. The last one is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shardner.engine.curated import LAYERS, all_dependencies, defined, is_transformer
from shardner.model.attributes import TRANSFORMER_OUTPUT
from shardner.model.layers import package_of

if TYPE_CHECKING:
    from spacy.language import Language

#: The functions of spacy-curated-transformers, by module, that read the last layer and no other.
_READ_LAST = (
    (f"{LAYERS}.models.listeners", "last_transformer_layer_listener_forward"),
    (f"{LAYERS}.models.pooling", "with_ragged_last_layer_forward"),
)


class LastLayers:
    """Lets transformers give their last layer alone, while they compute for the engine."""

    def __init__(self, transformers: Sequence[Any]) -> None:
        """Take components whose other layers nobody reads (see `find_unread`)."""
        self._transformers = transformers

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let the transformers give their last layer alone within the block."""
        networks = [each.model.get_ref("transformer") for each in self._transformers]
        before = [node.attrs["_all_layer_outputs"] for node in networks]
        try:
            for each in self._transformers:
                each.all_layer_outputs = False
            yield
        finally:
            for each, node, value in zip(self._transformers, networks, before, strict=True):
                each.all_layer_outputs = True
                node.attrs["_all_layer_outputs"] = value


def find_unread(nlp: Language) -> list[Any]:
    """Return the components of a pipeline that give the vectors of all layers, if nothing reads any but the last."""
    transformers: list[Any] = [pipe for _, pipe in nlp.pipeline if is_transformer(pipe)]
    asked = [pipe for pipe in transformers if pipe.all_layer_outputs]
    if not asked:
        return []
    known = all_dependencies(nlp)
    if known is None or any(TRANSFORMER_OUTPUT in each.reads for each in known):
        return []
    others = [pipe for _, pipe in nlp.pipeline if not is_transformer(pipe)]
    return asked if all(map(_reads_last, others)) else []


def _reads_last(pipe: Any) -> bool:
    """Tell whether the model of a component reads no layer of a transformer but the last."""
    from thinc.api import Model

    model = getattr(pipe, "model", None)
    functions = [node._func for node in model.walk()] if isinstance(model, Model) else []
    harmless = [defined(*place) for place in _READ_LAST]
    return all(function in harmless for function in functions if package_of(function) == LAYERS)
