"""Texts sorted by length, for networks that pad: each batch then has texts of about the same length.

Networks of other frameworks than thinc (spaCy's transformers are networks of Torch) take a batch as one rectangle, as
wide as its longest row. If the lengths of its texts differ much, most of it is padding, which costs as much as words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Engine

if TYPE_CHECKING:
    from spacy.language import Language

#: Tokens annotated at once on a CPU. In larger batches texts differ more in length, and arrays no longer fit the cache:
#: 8,000 tokens take twice the time per token, with vectors of width 256. A GPU needs large batches.
CPU_BATCH_TOKENS = 1_000


class ByLength:
    """An engine that gives another engine the texts sorted by length, and returns them in their own order."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def annotate(self, texts: Sequence[str], watch: Stopwatch, *, places: bool = False) -> Annotations:
        """See `Engine`."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        sorted_texts = [texts[i] for i in order.tolist()]
        return self._engine.annotate(sorted_texts, watch, places=places).take(np.argsort(order, kind="stable"))


def padded_batch_tokens() -> int | None:
    """Return how many tokens such a network annotates at once; None for as many as any other network."""
    from thinc.api import NumpyOps, get_current_ops

    return CPU_BATCH_TOKENS if isinstance(get_current_ops(), NumpyOps) else None


def has_padding(nlp: Language) -> bool:
    """Tell whether a component of `nlp` runs a network of another framework than thinc."""
    from thinc.api import Model

    models = [getattr(pipe, "model", None) for _, pipe in nlp.pipeline]
    return any(node.shims for model in models if isinstance(model, Model) for node in model.walk())
