"""Scores against gold, however they are given, as figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shardner.report.figures import ScoreFigure


def read_scores(scores: Any) -> tuple[ScoreFigure, ...]:
    """Return scores as figures, those over all labels first.

    `scores` has ``overall`` and ``by_label`` (or ``labels``), each score ``precision``, ``recall`` and ``f``, which are
    None where there was nothing to score; as mappings or as objects. Or it is None.
    """
    if scores is None:
        return ()
    pairs = [(None, _get(scores, "overall")), *sorted(_get(scores, "by_label", "labels").items())]
    return tuple(
        ScoreFigure(label, *(_get(score, name) for name in ("precision", "recall", "f"))) for label, score in pairs
    )


def _get(value: Any, *names: str) -> Any:
    """Return the first of `names` that a mapping or an object has."""
    if isinstance(value, Mapping):
        return next(value[name] for name in names if name in value)
    return next(getattr(value, name) for name in names if hasattr(value, name))
