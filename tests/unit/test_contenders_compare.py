"""How the benchmark of contenders compares tables of entities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from benchmarks.contenders.compare import Comparison, Verdict, compare, group_differences, make_gap
from making import annotate_plainly, make_pipeline, make_texts, write_jsonl

TYPES = {"doc": pl.UInt64, "start": pl.UInt32, "end": pl.UInt32, "text": pl.String, "label": pl.String}
ROWS = [(0, 0, 3, "Ada", "PER"), (0, 10, 20, "Zürich HB.", "LOC"), (1, 0, 3, "Ada", "PER"), (2, 4, 8, "Ltd.", "ORG")]
NO_BORDERS: list[tuple[int, int]] = []

Entity = tuple[int, int, str]


def table(rows: Sequence[tuple[int, int, int, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TYPES, orient="row")


def compared(
    rows: Sequence[tuple[int, int, int, str, str]], borders: Sequence[tuple[int, int]] = NO_BORDERS, gap: float = 1.0
) -> Comparison:
    places = pl.DataFrame(borders, schema={"doc": pl.Int64, "place": pl.Int64}, orient="row")
    return compare(table(ROWS), table(rows), places, lambda doc, theirs, ours: gap)


def test_equal_tables_are_identical_whatever_their_types() -> None:
    assert compared(ROWS) == Comparison(Verdict.IDENTICAL, entities=4)
    wide = table(ROWS).with_columns(pl.col("doc", "start").cast(pl.Int64), pl.col("label").cast(pl.Categorical))
    borders = pl.DataFrame(schema={"doc": pl.Int64, "place": pl.Int64})
    assert compare(table(ROWS), wide, borders, lambda *_: 1.0).verdict is Verdict.IDENTICAL


def test_the_same_entities_in_another_order_are_told() -> None:
    found = compared(ROWS[::-1])
    assert (found.verdict, found.in_order, found.missing, found.extra) == (Verdict.DIFFERENT, False, 0, 0)


def test_missing_extra_and_doubled_entities_are_counted() -> None:
    found = compared([*ROWS[:2], *ROWS[3:], ROWS[3], (2, 20, 21, "x", "PER")])
    assert (found.verdict, found.missing, found.extra) == (Verdict.DIFFERENT, 1, 2)


def test_another_text_is_a_difference() -> None:
    assert compared([*ROWS[:3], (2, 4, 8, "Ltd,", "ORG")]).verdict is Verdict.DIFFERENT


def test_an_entity_that_a_border_cuts_is_counted_as_such() -> None:
    pieces = [(0, 10, 16, "Zürich", "LOC"), (0, 17, 20, "HB.", "ORG")]
    found = compared([ROWS[0], *pieces, *ROWS[3:]], borders=[(0, 16), (0, 1_000), (1, 50)])
    assert (found.missing, found.extra) == (2, 2)
    assert (found.missing_at_borders, found.extra_at_borders) == (1, 1)


def test_differences_are_near_ties_only_if_each_is_one() -> None:
    rows = [ROWS[0], (0, 12, 18, "rich H", "LOC"), *ROWS[3:]]
    found = compared(rows, gap=1e-6)
    assert (found.verdict, found.near_ties) == (Verdict.NEAR_TIES, 2)
    assert compared(rows, gap=0.5).verdict is Verdict.DIFFERENT


def test_entities_that_overlap_are_one_difference() -> None:
    missing = table([(0, 10, 20, "", "LOC"), (0, 30, 40, "", "LOC"), (1, 10, 20, "", "LOC")])
    extra = table([(0, 12, 18, "", "LOC"), (0, 18, 22, "", "LOC")])
    assert group_differences(missing, extra) == [
        (0, [(10, 20, "LOC")], [(12, 18, "LOC"), (18, 22, "LOC")]),
        (0, [(30, 40, "LOC")], []),
        (1, [(10, 20, "LOC")], []),
    ]


def test_each_difference_is_looked_at_by_itself() -> None:
    seen: list[tuple[int, list[Entity], list[Entity]]] = []

    def gap(doc: int, theirs: Sequence[Entity], ours: Sequence[Entity]) -> float:
        seen.append((doc, list(theirs), list(ours)))
        return 0.0

    borders = pl.DataFrame(schema={"doc": pl.Int64, "place": pl.Int64})
    compare(table(ROWS), table([(0, 0, 2, "Ad", "PER"), *ROWS[2:]]), borders, gap)
    whole = [(0, 3, "PER"), (10, 20, "LOC")]
    assert seen == [(0, whole, [(0, 2, "PER"), (10, 20, "LOC")]), (0, whole, [(0, 3, "PER")])]


def test_the_gap_is_of_the_document_that_is_asked_for(tmp_path: Path) -> None:
    model, texts = make_pipeline(tmp_path / "pipeline"), make_texts(8)
    find_gap = make_gap(model, write_jsonl(tmp_path / "corpus.jsonl", texts))
    rows = annotate_plainly(model, texts)
    doc = rows[-1][0]
    theirs = [(start, end, label) for number, start, end, _, label in rows if number == doc]
    assert 0 < find_gap(doc, theirs, theirs[:-1]) < math.inf
    assert find_gap(doc, theirs, theirs) == math.inf
