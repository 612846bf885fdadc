"""Compare a contender's table with that of stock spaCy in one process on the same corpus.

    python compare.py --reference PARQUET --table PARQUET --measurement JSON --model DIR --corpus FILE --out JSON

A difference where two actions of the recogniser score within 0.0001 of each other is a near-tie, as Shardner's audit
has it: rounding decides, and spaCy itself may decide otherwise with another batch size.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "workflow" / "scripts")]

import polars as pl
from shardner.annotate.near_ties import NEAR_TIE

KEY = ["doc", "start", "end", "text", "label"]
#: More differences than these are not looked at one by one: they are no near-ties.
MOST_LOOKED_AT = 40

Entity = tuple[int, int, str]
Gap = Callable[[int, Sequence[Entity], Sequence[Entity]], float]


class Verdict(StrEnum):
    """What a comparison comes to."""

    IDENTICAL = "identical"
    NEAR_TIES = "near-ties"  # nothing else differs
    DIFFERENT = "different"
    FAILED = "failed"  # there is no table


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a table differs from the reference. `*_at_borders`: a cut goes through the entity or touches it."""

    verdict: Verdict
    entities: int = 0
    missing: int = 0
    extra: int = 0
    missing_at_borders: int = 0
    extra_at_borders: int = 0
    near_ties: int = 0  # differences of this kind; each is one missing or extra entity, or some that overlap
    in_order: bool = True  # by document and start


def compare(reference: pl.DataFrame, table: pl.DataFrame, borders: pl.DataFrame, find_gap: Gap) -> Comparison:
    """Compare two tables of entities.

    Args:
        reference: what stock spaCy found, in order.
        table: what a contender found.
        borders: ``doc`` and ``place`` of each cut that it made into a text.
        find_gap: by how much the action of the first answer scores above the other's, where they first differ.
    """
    expected, found = _normalise(reference), _normalise(table)
    missing = expected.join(found, on=[*KEY, "copy"], how="anti")
    extra = found.join(expected, on=[*KEY, "copy"], how="anti")
    groups = group_differences(missing, extra)
    near_ties = 0
    if len(groups) <= MOST_LOOKED_AT:
        near_ties = sum(_is_near_tie(expected, *group, find_gap) for group in groups)
    in_order = found.select(pl.struct("doc", "start").is_sorted()).item() if found.height else True
    if not groups and in_order:
        verdict = Verdict.IDENTICAL
    else:
        verdict = Verdict.NEAR_TIES if near_ties == len(groups) and in_order else Verdict.DIFFERENT
    return Comparison(
        verdict=verdict,
        entities=found.height,
        missing=missing.height,
        extra=extra.height,
        missing_at_borders=_count_at_borders(missing, borders),
        extra_at_borders=_count_at_borders(extra, borders),
        near_ties=near_ties,
        in_order=in_order,
    )


def _normalise(table: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that are compared, and the number of each copy of a row that is there more than once."""
    types = dict(zip(KEY, (pl.Int64, pl.Int64, pl.Int64, pl.String, pl.String), strict=True))
    plain = table.select(pl.col(name).cast(kind) for name, kind in types.items())
    return plain.with_columns(copy=pl.int_range(pl.len()).over(KEY))


def _count_at_borders(entities: pl.DataFrame, borders: pl.DataFrame) -> int:
    touching = entities.join(borders, on="doc").filter(pl.col("place").is_between("start", "end"))
    return touching.select(KEY).unique().height


def group_differences(missing: pl.DataFrame, extra: pl.DataFrame) -> list[tuple[int, list[Entity], list[Entity]]]:
    """Return differences that stand apart: a document, what is missing there and what is there instead."""
    both = pl.concat([missing.with_columns(is_extra=False), extra.with_columns(is_extra=True)])
    rows = both.sort("doc", "start", "end").select("doc", "start", "end", "label", "is_extra").rows()
    groups: list[tuple[int, list[Entity], list[Entity]]] = []
    for doc, members in groupby(rows, key=lambda row: row[0]):
        reach = -1
        for _, start, end, label, is_extra in members:
            if start >= reach:
                groups.append((doc, [], []))
            groups[-1][2 if is_extra else 1].append((start, end, label))
            reach = max(reach, end)
    return groups


def _is_near_tie(expected: pl.DataFrame, doc: int, missing: list[Entity], extra: list[Entity], find_gap: Gap) -> bool:
    theirs = expected.filter(pl.col("doc") == doc).select("start", "end", "label").rows()
    ours = sorted([*(set(theirs) - set(missing)), *extra])
    return find_gap(doc, theirs, ours) < NEAR_TIE


def make_gap(model: Path, corpus: Path) -> Gap:
    """Return a function that annotates a document of the corpus again, plainly; loads nothing before it is called."""

    def find_gap(doc: int, theirs: Sequence[Entity], ours: Sequence[Entity]) -> float:
        import spacy
        from shardner.annotate.near_ties import first_gap

        if not loaded:
            nlp = spacy.load(model)
            nlp.max_length = sys.maxsize
            loaded.append(nlp)
        with corpus.open(encoding="utf-8") as lines:
            text = next(json.loads(line)["text"] for number, line in enumerate(lines) if number == doc)
        return first_gap(loaded[0], text, theirs, ours)

    loaded: list[Any] = []
    return find_gap


def read_borders(path: Path) -> pl.DataFrame:
    """Return the cuts that a contender made, none where it says nothing of them."""
    lines = path.read_text().splitlines() if path.is_file() else []
    places = [tuple(map(int, line.split())) for line in lines]
    return pl.DataFrame(places, schema={"doc": pl.Int64, "place": pl.Int64}, orient="row")


def main() -> None:
    """Compare once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--reference", "--table", "--measurement", "--model", "--corpus", "--out"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    if json.loads(options.measurement.read_text())["reason"] is not None:
        found = Comparison(Verdict.FAILED)
    else:
        reference = pl.read_parquet(options.reference)
        if not reference.width:
            sys.exit(f"there is nothing to compare with: stock spaCy failed on {options.corpus}")
        borders = read_borders(options.table.with_suffix(".borders"))
        gap = make_gap(options.model, options.corpus)
        found = compare(reference, pl.read_parquet(options.table), borders, gap)
    options.out.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
