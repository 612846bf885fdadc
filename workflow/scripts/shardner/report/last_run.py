"""The run before this one, beside it: what changed in its figures, where they are still there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shardner.report.figures import Headline, LabelFigure, LastRun

#: Labels that are compared: those whose counts differ most.
MOST_LABELS = 12


@dataclass(frozen=True, slots=True)
class LabelChange:
    """How many entities of a label this run and the last one have."""

    label: str
    entities: int
    last: int


def read_last(kept: Path, headline: Headline) -> LastRun | None:
    """Return the figures of the run before; None where there are none, or they are of this very run.

    They may be of an older version: what does not hold the figures that are compared is left alone.
    """
    try:
        read: Any = json.loads(kept.read_text("utf-8"))
        of = read["headline"]
        found = LastRun(
            pipeline=f"{read['model']['name']} {read['model']['version']}",
            documents=int(of["documents"]),
            rejected=int(of["rejected"]),
            entities=int(of["entities"]),
            annotate_wall_s=float(of["annotate_wall_s"]),
            tokens_per_s=float(of["tokens_per_s"]),
            labels={str(each["label"]): int(each["entities"]) for each in read["labels"]},
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    same = abs(found.annotate_wall_s - headline.annotate_wall_s) < 1e-4 and found.entities == headline.entities
    return None if same else found


def compare_labels(labels: Sequence[LabelFigure], last: LastRun) -> list[LabelChange]:
    """Return the labels whose numbers of entities differ, those that differ most first."""
    now = {each.label: each.entities for each in labels}
    changes = [LabelChange(label, now.get(label, 0), last.labels.get(label, 0)) for label in {**now, **last.labels}]
    changes = [each for each in changes if each.entities != each.last]
    return sorted(changes, key=lambda each: (-abs(each.entities - each.last), each.label))[:MOST_LABELS]
