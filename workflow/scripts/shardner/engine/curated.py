"""What spacy-curated-transformers and curated-transformers define, known by identity and without importing either."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from shardner.model.dependencies import Dependencies, find_dependencies

if TYPE_CHECKING:
    from spacy.language import Language

#: The package with the component, its listeners, and the layers around a network; and the package with the networks.
LAYERS, NETWORKS = "spacy_curated_transformers", "curated_transformers"


def defined(module: str, name: str) -> Any:
    """Return what a module defines by a name; if it is not there, or not imported, something that nothing else is."""
    return getattr(sys.modules.get(module), name, SimpleNamespace())


def is_transformer(pipe: Any) -> bool:
    """Tell whether a component is a transformer of spacy-curated-transformers."""
    return type(pipe) is defined(f"{LAYERS}.pipeline.transformer", "CuratedTransformer")


def all_dependencies(nlp: Language) -> list[Dependencies] | None:
    """Return what components read and write; None unless all are spaCy's own, and whatever they read is known."""
    known = [find_dependencies(nlp, name) for name in nlp.pipe_names]
    return known if all(each.factory and not each.reads_all for each in known) else None
