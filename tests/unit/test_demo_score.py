from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.demo.score import Score, ScoreBand, precision_by_score, score_entities

Row = tuple[str, int, int, str]
SCHEMA = {"id": pl.String, "start": pl.UInt32, "end": pl.UInt32, "label": pl.String}
ROWS = st.sets(
    st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(3, 4), st.sampled_from(["ORG", "GPE", "DATE"]))
)


def table(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_only_an_exact_match_counts() -> None:
    gold = table([("a", 0, 4, "ORG"), ("a", 9, 12, "GPE"), ("b", 0, 4, "ORG"), ("c", 5, 8, "DATE")])
    predicted = table([("a", 0, 4, "ORG"), ("a", 9, 13, "GPE"), ("b", 0, 4, "GPE")])
    scores = score_entities(predicted, gold)
    assert scores.overall == Score(true_positives=1, false_positives=2, false_negatives=3)
    assert scores.overall.precision == pytest.approx(1 / 3)
    assert scores.overall.recall == pytest.approx(1 / 4)
    assert scores.overall.f == pytest.approx(2 / 7)
    assert list(scores.by_label) == ["DATE", "GPE", "ORG"]
    assert scores.by_label["ORG"] == Score(1, 0, 1)
    assert scores.by_label["GPE"] == Score(0, 2, 1)


def test_a_ratio_without_a_denominator_is_none() -> None:
    nothing = score_entities(table([]), table([]))
    assert nothing.overall == Score(0, 0, 0)
    assert (nothing.overall.precision, nothing.overall.recall, nothing.overall.f) == (None, None, None)
    assert nothing.by_label == {}
    missed = score_entities(table([]), table([("a", 0, 1, "ORG")])).overall
    assert (missed.precision, missed.recall, missed.f) == (None, 0.0, 0.0)
    invented = score_entities(table([("a", 0, 1, "ORG")]), table([])).overall
    assert (invented.precision, invented.recall, invented.f) == (0.0, None, 0.0)


def test_labels_may_be_enums_and_offsets_wider_and_other_columns_are_ignored() -> None:
    gold = table([("a", 0, 4, "ORG"), ("b", 1, 2, "GPE")])
    predicted = gold.with_columns(
        pl.col("label").cast(pl.Enum(["GPE", "ORG"])), pl.col("start").cast(pl.Int64), text=pl.lit("x")
    )
    assert score_entities(predicted, gold).overall == Score(2, 0, 0)
    assert score_entities(gold.with_columns(pl.col("label").cast(pl.Categorical)), gold).overall.f == 1.0


@given(ROWS, ROWS)
def test_counts_are_those_of_sets(predicted: set[Row], gold: set[Row]) -> None:
    scores = score_entities(table([*predicted, *predicted]), table(sorted(gold)))
    assert scores.overall == Score(len(predicted & gold), len(predicted - gold), len(gold - predicted))
    assert set(scores.by_label) == {row[3] for row in predicted | gold}
    for label, score in scores.by_label.items():
        ours, theirs = ({row for row in rows if row[3] == label} for rows in (predicted, gold))
        assert score == Score(len(ours & theirs), len(ours - theirs), len(theirs - ours))


def scored(rows: list[Row], scores: list[float | None]) -> pl.DataFrame:
    return table(rows).with_columns(score=pl.Series(scores, dtype=pl.Float32))


def test_precision_by_score_goes_from_the_least_decided_band_to_the_most() -> None:
    rows = [("a", 2 * i, 2 * i + 1, "ORG") for i in range(40)]
    order = sorted(range(40), key=lambda i: (i * 7) % 40)
    predicted = scored([rows[i] for i in order], [i / 64 for i in order])
    gold = table([row for i, row in enumerate(rows) if i >= 20 or i % 4 == 0])
    bands = precision_by_score(predicted, gold)
    assert bands == tuple(
        ScoreBand(4 * i / 64, (4 * i + 3) / 64, entities=4, precision=0.25 if i < 5 else 1.0) for i in range(10)
    )
    assert score_entities(predicted, gold).bands == bands
    assert score_entities(predicted.drop("score"), gold).bands == ()
    assert precision_by_score(predicted, gold, bands=2) == (
        ScoreBand(0.0, 19 / 64, entities=20, precision=0.25),
        ScoreBand(20 / 64, 39 / 64, entities=20, precision=1.0),
    )


def test_entities_without_a_score_are_in_no_band_and_few_make_few_bands() -> None:
    rows = [("a", 0, 4, "ORG"), ("a", 9, 12, "GPE"), ("b", 0, 4, "ORG"), ("b", 7, 9, "ORG")]
    found = precision_by_score(scored(rows, [0.5, None, float("nan"), 0.25]), table(rows[:3]))
    assert found == (ScoreBand(0.25, 0.25, 1, 0.0), ScoreBand(0.5, 0.5, 1, 1.0))
    assert precision_by_score(scored([], []), table(rows)) == ()
    assert precision_by_score(scored(rows, [None] * 4), table(rows)) == ()


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), max_size=60), st.integers(1, 12))
def test_bands_hold_all_entities_and_nearly_as_many_each(entities: list[tuple[float, bool]], bands: int) -> None:
    rows = [("a", 2 * i, 2 * i + 1, "ORG") for i in range(len(entities))]
    gold = table([row for row, (_, right) in zip(rows, entities, strict=True) if right])
    found = precision_by_score(scored(rows, [score for score, _ in entities]), gold, bands=bands)
    assert len(found) == min(bands, len(entities))
    assert sum(band.entities for band in found) == len(entities)
    assert sum(band.entities * band.precision for band in found) == pytest.approx(len(gold))
    assert max((band.entities for band in found), default=0) - min((band.entities for band in found), default=0) <= 1
    edges = [edge for band in found for edge in (band.score_from, band.score_to)]
    assert edges == sorted(edges)
