"""Nested values of JSON (the provenance) as a bounded tree that a template can walk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: What is beyond these is in provenance.json; the page says how much it is.
MOST_ENTRIES, MOST_CHARS, MOST_DEPTH = 60, 2_000, 8
#: All entries of one tree together.
MOST_NODES = 3_000


@dataclass(slots=True)
class Node:
    """A value: a text, a row of texts, or named values. `left_out` counts entries that are not shown."""

    text: str | None = None
    row: list[str] | None = None
    entries: list[tuple[str, Node]] = field(default_factory=list)
    left_out: int = 0


def grow_tree(value: Any) -> Node:
    """Make a tree of a value of JSON: dicts, lists and scalars."""
    return _grow(value, MOST_DEPTH, [MOST_NODES])


def _grow(value: Any, depth: int, budget: list[int]) -> Node:
    """Make a tree of at most `depth` levels, and take the number of its nodes off `budget`, its only element."""
    budget[0] -= 1
    if not isinstance(value, (dict, list)):
        return Node(text=_write(value))
    if not value:
        return Node(text="none")
    if not depth:
        return Node(text="…", left_out=len(value))
    if isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value):
        budget[0] -= min(len(value), MOST_ENTRIES)
        return Node(row=[_write(each) for each in value[:MOST_ENTRIES]], left_out=max(len(value) - MOST_ENTRIES, 0))
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
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
