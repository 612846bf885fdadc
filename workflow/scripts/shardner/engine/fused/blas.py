"""Faster matrix products for layers that spaCy computes: with NumPy's BLAS instead of thinc's.

On a CPU thinc multiplies matrices with BLIS. For the sizes of these models and on one core, BLIS has a third of the
speed of the OpenBLAS in NumPy. Both compute in float32, and differ in the last bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shardner.engine.fused.layers import Layer

if TYPE_CHECKING:
    from thinc.api import Ops


class FasterProducts:
    """Lends layers the faster operations while they compute for the engine; stock spaCy may use the same layers."""

    def __init__(self, models: Iterable[Layer]) -> None:
        from thinc.api import NumpyOps

        self._fast: Ops = NumpyOps(use_blis=False)
        nodes = {id(node): node for model in models for node in model.walk()}
        self._nodes = [node for node in nodes.values() if type(node.ops) is NumpyOps]

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let the layers use the faster operations within the block."""
        before = [node.ops for node in self._nodes]
        try:
            for node in self._nodes:
                node.ops = self._fast
            yield
        finally:
            for node, ops in zip(self._nodes, before, strict=True):
                node.ops = ops
