"""The spans that a transformer reads, without much padding: packed where that can be, or in groups of like length.

A transformer of spacy-curated-transformers reads a document as spans of pieces, and a batch of spans as one rectangle,
as wide as the longest. Documents end somewhere, so the last span of each is shorter than the rest: a third to a half of
the rectangle is padding, which costs as much as words. Spans do not see one another, so a batch may be cut into groups
of spans, sorted by length; what each span becomes is put back in its place. On the CPU, where the network is known,
there are no rectangles at all (`packed_spans`).

Texts are sorted by length for the same reason (`sorted_by_length`), which leaves the last spans of long texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from shardner.engine.fused.layers import Layer
from shardner.engine.packed_spans import Forward, in_packs

#: A group goes on until a longer span would make so large a share of it padding.
MOST_PADDING = 0.05
#: So few pieces are computed together whatever their padding: a CPU takes as long for each piece of a larger group, and
#: a GPU needs some thousands at once.
CPU_LEAST_PIECES, GPU_LEAST_PIECES = 256, 8_192


class GroupedSpans:
    """Lets the transformers among layers read spans in packs or groups, while they compute for the engine."""

    def __init__(self, models: Iterable[Layer]) -> None:
        """Take models, with or without a transformer."""
        outer = [node for model in models for node in model.walk() if node.name == "with_strided_spans"]
        self._nodes = list({id(node.layers[0]): node.layers[0] for node in outer}.values())

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let the transformers read spans in packs or groups within the block."""
        before = [node._func for node in self._nodes]
        try:
            for node in self._nodes:
                node._func = in_packs(node, _in_groups(node._func))
            yield
        finally:
            for node, forward in zip(self._nodes, before, strict=True):
                node._func = forward


def _in_groups(forward: Forward) -> Forward:
    def compute(model: Any, spans: Sequence[Any], is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        least = CPU_LEAST_PIECES if model.ops.xp is np else GPU_LEAST_PIECES
        groups = group_by_length([len(span) for span in spans], least)
        if is_train or len(groups) < 2:
            return forward(model, spans, is_train)
        found: list[Any] = [None] * len(spans)
        for group in groups:
            output, backprop = forward(model, [spans[number] for number in group], False)
            for number, layers in zip(group, output.all_outputs, strict=True):
                found[number] = layers
        output.all_outputs = found
        return output, backprop

    return compute


def group_by_length(lengths: Sequence[int], least: int) -> list[list[int]]:
    """Return the numbers of spans in groups, by length, so that little of a group is padding.

    Args:
        lengths: of the spans, in pieces.
        least: a group of fewer pieces, padding included, is not cut.
    """
    groups: list[list[int]] = []
    pieces = 0
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if groups:
            rectangle = lengths[number] * (len(groups[-1]) + 1)
            padding = rectangle - pieces - lengths[number]
        if not groups or (padding > MOST_PADDING * rectangle and lengths[groups[-1][-1]] * len(groups[-1]) >= least):
            groups.append([])
            pieces = 0
        groups[-1].append(number)
        pieces += lengths[number]
    return groups
