"""Entities in context: a few of each label, drawn at random, with the words around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from shardner.data.tables import find_table, scan_table
from shardner.report.examples import read_stretch
from shardner.report.figures import LabelFigure
from shardner.stages.document_rows import CorpusTexts

#: How many labels have mentions, the most frequent ones, and how many each has.
LABELS, MENTIONS = 12, 5
#: Code points shown before an entity, of an entity, and after it.
AROUND, LONGEST = 60, 120
#: So many are looked at for each label, about.
_CANDIDATES = 60
#: A multiplier each for document and start, whose sum modulo 2**32 is the place of an entity in the draw: the same in
#: every run, and with no pattern that a corpus could have.
_DOC, _START, _PLACES = 2_654_435_761, 2_246_822_519, 1 << 32


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity, and the text around it."""

    label: str
    doc: int
    id: str
    before: str
    text: str
    after: str


def draw_mentions(results: Path, texts: CorpusTexts, labels: Sequence[LabelFigure]) -> tuple[Mention, ...]:
    """Return some entities of the most frequent labels, by label; none where the shards' files are gone.

    Args:
        results: the directory of the tables.
        texts: of the corpus.
        labels: of the corpus, most frequent first.
    """
    drawn = _draw(results, labels[:LABELS])
    documents = (
        scan_table(find_table(results, "documents"))
        .filter(pl.col("doc").is_in(drawn["doc"].unique().to_list()))
        .select("doc", "id", "windows", "shard")
        .collect(engine="streaming")
    )
    rows = {row["doc"]: row for row in documents.iter_rows(named=True)}
    found = (_read(rows[row["doc"]], row, texts) for row in drawn.iter_rows(named=True))
    return tuple(each for each in found if each is not None)


def _draw(results: Path, labels: Sequence[LabelFigure]) -> pl.DataFrame:
    """Return the entities that come first in the draw, by label: ``doc``, ``start``, ``end``, ``label``."""
    most = pl.DataFrame(
        {
            "label": [each.label for each in labels],
            "most": [min(_PLACES, _PLACES * _CANDIDATES // max(each.entities, 1)) for each in labels],
            "number": range(len(labels)),
        },
        schema={"label": pl.String, "most": pl.UInt64, "number": pl.UInt32},
    )
    place = pl.col("doc").cast(pl.UInt64) % _PLACES * _DOC % _PLACES
    place = (place + pl.col("start").cast(pl.UInt64) * _START % _PLACES) * _DOC % _PLACES
    drawn = (
        scan_table(find_table(results, "entities"))
        .select("doc", "start", "end", pl.col("label").cast(pl.String), place=place)
        .join(most.lazy(), on="label")
        .filter(pl.col("place") < pl.col("most"))
        .collect(engine="streaming")
        .sort("number", "place", "doc", "start")
    )
    return drawn.group_by("label", maintain_order=True).head(MENTIONS).select("doc", "start", "end", "label")


def _read(document: dict[str, Any], row: dict[str, Any], texts: CorpusTexts) -> Mention | None:
    start, size = row["start"], min(row["end"] - row["start"], LONGEST)
    begin = max(start - AROUND, 0)
    text = read_stretch(document, begin, start - begin + size + AROUND, texts)
    if text is None or len(text) < start - begin + size:  # a window ends here, or the shard is gone
        return None
    at, end = start - begin, start - begin + size
    before, after = text[:at], text[end:]
    if begin > 0:  # half a word at either end is left out
        before = before[before.find(" ") + 1 :]
    if len(after) == AROUND:
        after = after[: after.rfind(" ") if " " in after else None]
    return Mention(row["label"], row["doc"], document["id"], before, text[at:end], after)
