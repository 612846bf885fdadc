"""Faster matrix products for layers that spaCy computes: with NumPy's BLAS instead of thinc's.

On a CPU thinc multiplies matrices with BLIS. For the sizes of these models and on one core, BLIS has a third of the
speed of the OpenBLAS in NumPy. Both compute in float32, and differ in the last bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from shardner.engine.fused.arrays import Array
from shardner.engine.fused.layers import Layer
from shardner.engine.products import Product, Products

if TYPE_CHECKING:
    from thinc.api import Ops


class FasterProducts:
    """Lends layers the faster operations while they compute for the engine; stock spaCy may use the same layers."""

    def __init__(self, models: Iterable[Layer], products: Products) -> None:
        """Take the layers; where `products` are steady, so are those of the layers with their own weights."""
        from thinc.api import NumpyOps

        nodes = {id(node): node for model in models for node in model.walk()}
        self._nodes = [node for node in nodes.values() if type(node.ops) is NumpyOps]
        self._fast: Ops = _steady_ops(self._nodes, products) if products.steady else NumpyOps(use_blis=False)

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


def _steady_ops(nodes: Sequence[Layer], products: Products) -> Ops:
    """Return thinc's operations with steady products of the weights that layers have."""
    from thinc.api import NumpyOps

    places = {_place(node.get_param(name)) for node in nodes for name in node.param_names if node.has_param(name)}
    known: dict[tuple[int, tuple[int, ...], bool], Product] = {}

    class SteadyOps(NumpyOps):  # type: ignore[misc]
        """As `NumpyOps`, but a row of a product does not depend on the others."""

        def gemm(self, x: Array, y: Array, out: Any = None, trans1: bool = False, trans2: bool = False) -> Array:
            if trans1 or out is not None or x.ndim != 2 or _place(y) not in places:
                return super().gemm(x, y, out, trans1, trans2)
            key = (_place(y), y.shape, trans2)
            if key not in known:
                known[key] = products.of(y.T if trans2 else y)
            return np.ascontiguousarray(known[key](x))  # thinc's layers take nothing else

    return SteadyOps(use_blis=False)


def _place(array: Array) -> int:
    """Return where an array lies in memory; weights stay where they are, whatever shape a layer gives them."""
    interface: Mapping[str, Any] = array.__array_interface__
    return int(interface["data"][0])
