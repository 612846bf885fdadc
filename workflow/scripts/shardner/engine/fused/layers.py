"""What a layer of a thinc model does, told by the function that it runs, and not by its name or its config.

A name is free text, and a registered architecture may change what it builds. The function is what computes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

#: A layer of thinc (``thinc.api.Model``), or several layers composed to one. It is Any because thinc gives parameters
#: no types.
Layer: TypeAlias = Any


class UnsupportedError(Exception):
    """This package does not compute a model; the message says which part of it is not known."""


def runs(layer: Layer, module: str) -> bool:
    """Tell whether `layer` runs the function ``forward`` of `module`, for example ``"thinc.layers.maxout"``."""
    function = layer._func
    return bool(function.__module__ == module and function.__name__ == "forward")


def expect(layer: Layer, module: str) -> Layer:
    """Return `layer`, or raise `UnsupportedError` if it does not run the ``forward`` of `module`."""
    if not runs(layer, module):
        raise UnsupportedError(f"an unknown layer {layer.name!r} in the place of {module}")
    return layer


def unchain(layer: Layer) -> list[Layer]:
    """Return the layers that `layer` applies one after another: those of its (nested) chains, or `layer` itself."""
    if not runs(layer, "thinc.layers.chain"):
        return [layer]
    return [each for inner in layer.layers for each in unchain(inner)]
