"""The layers of a transformer that nobody reads stay in Torch.

A pipeline of spacy-curated-transformers may ask for the vectors of all layers (`all_layer_outputs`). They are taken out
of Torch, averaged where windows overlap, copied, and left in ``doc._.trf_data``; a recogniser reads the last one, as a
rule. If that is so for all components, the others are not taken out. The last one is the same to the bit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from shardner.model.attributes import TRANSFORMER_OUTPUT
from shardner.model.dependencies import find_dependencies
from shardner.model.layers import package_of

if TYPE_CHECKING:
    from spacy.language import Language

_PACKAGE = "spacy_curated_transformers"
#: The functions of that package, by module, that read the last layer and no other.
_READ_LAST = (
    ("models.listeners", "last_transformer_layer_listener_forward"),
    ("models.pooling", "with_ragged_last_layer_forward"),
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
    transformers: list[Any] = [pipe for _, pipe in nlp.pipeline if _is_transformer(pipe)]
    asked = [pipe for pipe in transformers if pipe.all_layer_outputs]
    if not asked or not all(_is_explained(nlp, name) for name in nlp.pipe_names):
        return []
    others = [pipe for _, pipe in nlp.pipeline if not _is_transformer(pipe)]
    return asked if all(map(_reads_last, others)) else []


def _is_transformer(pipe: Any) -> bool:
    return type(pipe) is _defined("pipeline.transformer", "CuratedTransformer")


def _is_explained(nlp: Language, name: str) -> bool:
    """Tell whether a component is one of spaCy's own, and whatever it reads in documents is known."""
    known = find_dependencies(nlp, name)
    return bool(known.factory) and not known.reads_all and TRANSFORMER_OUTPUT not in known.reads


def _reads_last(pipe: Any) -> bool:
    """Tell whether the model of a component reads no layer of a transformer but the last."""
    from thinc.api import Model

    model = getattr(pipe, "model", None)
    functions = [node._func for node in model.walk()] if isinstance(model, Model) else []
    harmless = [_defined(*place) for place in _READ_LAST]
    return all(function in harmless for function in functions if package_of(function) == _PACKAGE)


def _defined(module: str, name: str) -> Any:
    """Return what spacy-curated-transformers defines by a name; something that nothing else is if it is not there."""
    return getattr(sys.modules.get(f"{_PACKAGE}.{module}"), name, SimpleNamespace())
