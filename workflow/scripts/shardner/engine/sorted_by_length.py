"""Texts in the order of their length, for networks that pad: each batch then has texts of about one length.

Networks of another framework than thinc (spaCy's transformers are Torch's) take a batch as one rectangle, as wide as
its longest row. Among texts of all lengths much of that is padding, which costs as much as words do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations, Engine

if TYPE_CHECKING:
    from spacy.language import Language

#: Tokens annotated at once on a CPU: in larger batches texts differ more in length, and arrays leave the cache (twice
#: the time at 8,000, with 256 wide vectors). A GPU wants large ones.
CPU_BATCH_TOKENS = 1_000


class ByLength:
    """An engine that is given texts by length, and whose annotations are put back in the order of the texts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def annotate(self, texts: Sequence[str], watch: Stopwatch) -> Annotations:
        """See `Engine`."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        sorted_texts = [texts[i] for i in order.tolist()]
        return self._engine.annotate(sorted_texts, watch).take(np.argsort(order, kind="stable"))


def padded_batch_tokens() -> int | None:
    """Return how many tokens to annotate at once with such a network, where that is not as many as with any other."""
    from thinc.api import NumpyOps, get_current_ops

    return CPU_BATCH_TOKENS if isinstance(get_current_ops(), NumpyOps) else None


def has_padding(nlp: Language) -> bool:
    """Tell whether a component of `nlp` runs a network of another framework than thinc."""
    from thinc.api import Model

    models = [getattr(pipe, "model", None) for _, pipe in nlp.pipeline]
    return any(node.shims for model in models if isinstance(model, Model) for node in model.walk())
