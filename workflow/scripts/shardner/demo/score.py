"""Predicted entities against gold ones: precision, recall and F, and the precision by how decided a recogniser was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

_KEY = ["id", "start", "end", "label"]


@dataclass(frozen=True, slots=True)
class Score:
    """How many entities were found, were found wrongly, and were missed."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def precision(self) -> float | None:
        """The share of predicted entities that are right; None where none was predicted."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """The share of gold entities that were predicted; None where there is no gold entity."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f(self) -> float | None:
        """The harmonic mean of precision and recall; None where there is no entity on either side."""
        return _ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)


@dataclass(frozen=True, slots=True)
class ScoreBand:
    """Predicted entities whose scores (the attribute ``score``) lie near each other."""

    score_from: float  # the lowest score in the band
    score_to: float  # the highest
    entities: int
    precision: float  # the share of them that are right


@dataclass(frozen=True, slots=True)
class Scores:
    """The score of all entities, and of each label that occurs on either side, by name and sorted by it.

    The bands are those of `precision_by_score`; there is none where entities have no scores of their own.
    """

    overall: Score
    by_label: Mapping[str, Score]
    bands: tuple[ScoreBand, ...] = ()


def score_entities(predicted: pl.DataFrame, gold: pl.DataFrame) -> Scores:
    """Return precision, recall and F of `predicted` against `gold`; and bands, if `predicted` has the column ``score``.

    An entity is right when ``id``, ``start``, ``end`` and ``label`` are all equal (as in CoNLL's evaluation). Other
    columns are ignored. Integer widths and string types (categorical, enum) may differ. An entity that occurs twice
    counts once.
    """
    found, known = _entities(predicted), _entities(gold)
    counts = pl.concat(
        [
            found.join(known, on=_KEY, how="semi").group_by("label").agg(pl.len().alias("tp")),
            found.join(known, on=_KEY, how="anti").group_by("label").agg(pl.len().alias("fp")),
            known.join(found, on=_KEY, how="anti").group_by("label").agg(pl.len().alias("fn")),
        ],
        how="diagonal",
    )
    by_label = counts.group_by("label").agg(pl.col("tp", "fp", "fn").sum()).sort("label")
    overall = by_label.select(pl.col("tp", "fp", "fn").sum()).row(0)
    bands = precision_by_score(predicted, gold) if "score" in predicted.columns else ()
    return Scores(Score(*overall), {label: Score(*row) for label, *row in by_label.iter_rows()}, bands)


def precision_by_score(predicted: pl.DataFrame, gold: pl.DataFrame, *, bands: int = 10) -> tuple[ScoreBand, ...]:
    """Return the precision of predicted entities in bands of about as many entities each, from low scores to high ones.

    With the default the bands are deciles. Where there are fewer entities than bands, each band has one entity. An
    entity is right as in `score_entities`. Entities without a score (null or NaN) are left out.

    Args:
        predicted: with the columns ``id``, ``start``, ``end``, ``label`` and ``score``.
        gold: with the first four of these.
        bands: how many, at most.
    """
    scored = _entities(predicted, pl.col("score").cast(pl.Float64)).filter(pl.col("score").is_not_nan())
    right = scored.join(_entities(gold).with_columns(right=True), on=_KEY, how="left")
    table = (
        # the rest of the key is in the order so that equal scores always fall into the same bands
        right.sort("score", *_KEY)
        .group_by(pl.int_range(pl.len(), dtype=pl.Int64) * bands // max(len(right), bands), maintain_order=True)
        .agg(
            pl.col("score").min().alias("from"),
            pl.col("score").max().alias("to"),
            pl.len().alias("entities"),
            pl.col("right").fill_null(False).mean().alias("precision"),
        )
    )
    return tuple(ScoreBand(*row) for row in table.select("from", "to", "entities", "precision").iter_rows())


def _entities(table: pl.DataFrame, *others: pl.Expr) -> pl.DataFrame:
    return table.select(
        pl.col("id").cast(pl.String),
        pl.col("start", "end").cast(pl.UInt32),
        pl.col("label").cast(pl.String),
        *others,
    ).unique(subset=_KEY)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
