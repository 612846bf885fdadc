from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.demo.score import Score, score_entities

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
