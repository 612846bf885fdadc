"""Free-form nested data (the provenance, the model) as a bounded tree that a template can walk."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: What is beyond these is in the JSON file; the page says how much.
MOST_ENTRIES, MOST_CHARS, MOST_DEPTH = 60, 2_000, 8
#: All entries of one tree together.
BUDGET = 3_000


@dataclass(slots=True)
class Node:
    """A value: a text, a row of texts, or named values. `left_out` counts entries not shown."""

    text: str | None = None
    row: list[str] | None = None
    entries: list[tuple[str, Node]] = field(default_factory=list)
    left_out: int = 0


def grow(value: Any) -> Node:
    """Make a tree of nested mappings, lists and scalars."""
    return _grow(value, MOST_DEPTH, [BUDGET])


def _grow(value: Any, depth: int, budget: list[int]) -> Node:
    budget[0] -= 1
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if not isinstance(value, (Mapping, list, tuple)):
        return Node(text=_write(value))
    if not value:
        return Node(text="none")
    if not depth:
        return Node(text="…", left_out=len(value))
    if not isinstance(value, Mapping) and not any(isinstance(each, (Mapping, list, tuple)) for each in value):
        budget[0] -= min(len(value), MOST_ENTRIES)
        return Node(row=[_write(each) for each in value[:MOST_ENTRIES]], left_out=max(len(value) - MOST_ENTRIES, 0))
    pairs = list(value.items() if isinstance(value, Mapping) else enumerate(value))
    node = Node()
    for key, each in pairs[:MOST_ENTRIES]:
        if budget[0] <= 0:
            break
        node.entries.append((_write(key), _grow(each, depth - 1, budget)))
    node.left_out = len(pairs) - len(node.entries)
    return node


def _write(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + "…"
