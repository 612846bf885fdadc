"""What a verification says to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shardner.terminal.numbers import count, percent, plural
from shardner.terminal.visible_text import one_line

if TYPE_CHECKING:
    from shardner.stages.verify.findings import Findings

#: An error shows so many documents that differ.
SHOWN_DOCUMENTS = 5


def describe_findings(found: Findings) -> str:
    """Return the findings in a line: verified 1,234 documents (1.0 %), 1,233 identical, 1 near-tie."""
    share = percent(found.verified / found.documents) if found.documents else "all"
    parts = [f"verified {plural(found.verified, 'document')} ({share}), {count(found.identical)} identical"]
    parts += [plural(found.near_ties, "near-tie")] if found.near_ties else []
    parts += [f"{count(found.too_long)} too long to verify whole"] if found.too_long else []
    return ", ".join(parts)


def describe_differences(found: Findings, *, mixed_precision: bool) -> str:
    """Return the message of an error: how many documents differ, the first few of them, and what to do."""
    lines = [
        f"{plural(found.differing, 'document')} of {count(found.documents)} ({count(found.verified)} verified) "
        f"{'is' if found.differing == 1 else 'are'} not in the results as stock spaCy finds "
        f"{'it' if found.differing == 1 else 'them'}:"
    ]
    for each in found.differences[:SHOWN_DOCUMENTS]:
        lines += [f"  {one_line(each.id, 200)!r} (doc {each.doc})", *(f"    {line}" for line in each.text.splitlines())]
    if found.differing > SHOWN_DOCUMENTS:
        lines.append(f"  and {count(found.differing - SHOWN_DOCUMENTS)} more: see the files of .work/verify")
    if mixed_precision:
        lines.append("The run computed in half precision (model.mixed_precision), stock spaCy here in full")
    lines.append("If results were changed after the run, remove them and run again; else please report it")
    return "\n".join(lines)
