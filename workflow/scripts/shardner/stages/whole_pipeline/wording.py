"""What the check of the whole pipeline says to the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shardner.annotate.comparison import show_difference
from shardner.data.pipeline_check import PipelineCheck
from shardner.data.provenance import PipelineDescription
from shardner.model.components import KEEPING, describe_left_out
from shardner.terminal.numbers import count, plural
from shardner.terminal.visible_text import one_line

if TYPE_CHECKING:
    from shardner.model.pipeline import Pipeline
    from shardner.stages.whole_pipeline.check import Answer

#: An error shows so many documents that differ, each line of so many characters.
SHOWN_DOCUMENTS, LINE_CHARS = 3, 2_000


def describe_check(found: PipelineCheck) -> str:
    """Return what was found in a line."""
    parts = [
        f"{plural(found.documents, 'sampled document')} against the whole pipeline, {count(found.identical)} identical"
    ]
    parts += [plural(found.near_ties, "near-tie")] if found.near_ties else []
    parts += [f"{count(found.left_out)} other without what was left out on purpose"] if found.left_out else []
    parts += [f"{count(found.failing)} on which the whole pipeline fails"] if found.failing else []
    return ", ".join(parts)


def describe_left_out_with_check(model: PipelineDescription, found: PipelineCheck) -> str:
    """Return what is left out and why; and of what is left out on purpose, in how many documents it shows."""
    lines = [note.partition(KEEPING)[2].strip() for note in model.notes if KEEPING in note]
    keeping = f"; to keep it, write {lines[0]}" if lines else ""
    checked = f"{count(found.left_out)} of {plural(found.documents, 'sampled document')} differ{keeping}"
    return describe_left_out(model.decisions, checked)


def describe_difference(pipeline: Pipeline, answers: Sequence[Answer], sampled: int, mending: str) -> str:
    """Return the message of an error.

    Args:
        pipeline: what annotated.
        answers: the documents that differ, and what the results say of them.
        sampled: documents in the sample.
        mending: what to do about it.
    """
    have = "has" if len(answers) == 1 else "have"
    lines = [
        f"{plural(len(answers), 'document')} of {count(sampled)} sampled {have} other entities in the results than the "
        f"pipeline finds as it stands, with nothing left out:"
    ]
    for document, ours in answers[:SHOWN_DOCUMENTS]:
        lines.append(f"  {one_line(document.id, 200)!r} (doc {document.doc})")
        if ours is None:
            lines.append("    it was rejected")
        shown = show_difference(document.text, ours, document.entities, "the results", "the whole pipeline")
        lines += [f"    {one_line(each, LINE_CHARS)}" for each in shown]
    return "\n".join([*lines, mending])


def describe_mending(pipeline: Pipeline, line: str | None) -> str:
    """Return what to do about documents that differ.

    Args:
        pipeline: what annotated.
        line: of YAML, that mends it; None where nothing was left out that could.
    """
    if line is None:
        return "No component was left out that explains it. Please report it with the pipeline"
    left_out = ", ".join(pipeline.left_out)
    return f"Left out: {left_out}. A component reads what one of these writes and does not say so; write:   {line}"
