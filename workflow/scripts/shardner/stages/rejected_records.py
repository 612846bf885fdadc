"""What is said where too many records are rejected."""

from __future__ import annotations

import polars as pl

from shardner.terminal.numbers import percent, plural
from shardner.terminal.visible_text import one_line

#: So many reasons are shown.
SHOWN_REASONS = 3


def describe_rejected(rejected: int, documents: int, reasons: pl.Series, most: float) -> str:
    """Return the message of a run that ends because of its rejected records.

    Args:
        rejected: how many records are.
        documents: how many records are not.
        reasons: of rejected records; duplicates of other files may be missing.
        most: the share of records that may be rejected.
    """
    records, frequent = rejected + documents, reasons.value_counts(sort=True).head(SHOWN_REASONS)
    shown = "\n".join(f"  {plural(times, 'record')}: {one_line(reason, 300)}" for reason, times in frequent.iter_rows())
    return (
        f"{plural(rejected, 'record')} of {plural(records, 'record')} {'was' if rejected == 1 else 'were'} "
        f"rejected, more than corpus.max_rejected allows ({percent(most)}); the most frequent reasons:\n{shown}\n"
        f"Mend the input or the pipeline; or, if it has to be so, write:   corpus: {{max_rejected: 1}}"
    )
