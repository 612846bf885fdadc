"""A few excerpts of documents with their entities, chosen so that together they show as many labels as possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shardner.data.tables import find_table, scan_table
from shardner.stages.document_rows import CorpusTexts

#: How many excerpts are shown.
EXAMPLES = 5
#: How long an excerpt is, in code points.
EXAMPLE_CHARS = 600
#: Entities whose starts lie in the same stretch of so many characters may share an excerpt.
_STRETCH_CHARS = 450
#: Text shown before the first entity of an excerpt.
_LEAD_CHARS = 90
#: Documents to choose excerpts from, spread over the corpus.
_DOCUMENTS = 20_000
#: Excerpts with most labels to choose from.
_RICHEST = 200


@dataclass(frozen=True, slots=True)
class ExcerptPiece:
    """A stretch of text; `label` is None where the stretch is no entity."""

    text: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """An excerpt of a document."""

    doc: int
    id: str
    file: str
    row: int
    pieces: tuple[ExcerptPiece, ...]
    cut_before: bool
    cut_after: bool


def choose_examples(results: Path, texts: CorpusTexts) -> tuple[Example, ...]:
    """Return up to five excerpts; none where the shards' files are gone.

    Args:
        results: the directory of entities.parquet and documents.parquet.
        texts: of the corpus.
    """
    count = texts.manifest.documents
    chosen = _cover_labels(_find_excerpts(results, count))
    if not chosen:
        chosen = [(doc, 0) for doc in range(min(count, 3))]
    documents = (
        scan_table(find_table(results, "documents"))
        .filter(pl.col("doc").is_in([doc for doc, _ in chosen]))
        .select("doc", "id", "file", "row", "chars", "windows", "shard")
        .collect(engine="streaming")
    )
    starts = dict(chosen)
    examples = (_read_example(results, row, starts[row["doc"]], texts) for row in documents.iter_rows(named=True))
    return tuple(sorted((each for each in examples if each), key=lambda example: example.doc))


def _find_excerpts(results: Path, documents: int) -> pl.DataFrame:
    """Return stretches of documents, the richest in labels first.

    Columns: ``doc``, ``first`` (where the first entity of the stretch starts), ``labels``.
    """
    step = max(documents // _DOCUMENTS, 1)
    return (
        scan_table(find_table(results, "entities"))
        .filter(pl.col("doc") % step == 0)
        .group_by("doc", pl.col("start") // _STRETCH_CHARS)
        .agg(
            pl.col("start").min().alias("first"),
            pl.col("label").cast(pl.String).unique().sort().alias("labels"),
            pl.len().alias("entities"),
        )
        .with_columns(kinds=pl.col("labels").list.len())
        .top_k(_RICHEST, by=["kinds", "entities", "doc", "first"], reverse=[False, False, True, True])
        .collect(engine="streaming")
        .sort(["kinds", "entities", "doc", "first"], descending=[True, True, False, False])
        .select("doc", "first", "labels")
    )


def _cover_labels(excerpts: pl.DataFrame) -> list[tuple[int, int]]:
    """Return (document, start) of excerpts that show many labels, at most one per document.

    Again and again, the excerpt with most labels not shown so far is taken.
    """
    rest = list(excerpts.iter_rows())
    seen: set[str] = set()
    chosen: dict[int, int] = {}
    while rest and len(chosen) < EXAMPLES:
        best = max(range(len(rest)), key=lambda index: (len(set(rest[index][2]) - seen), -index))
        doc, start, labels = rest[best]
        if set(labels) <= seen:
            seen = set(labels)  # all labels have been shown: begin another round
        seen |= set(labels)
        chosen[doc] = start
        rest = [row for row in rest if row[0] != doc]
    return list(chosen.items())


def _read_example(results: Path, document: Mapping[str, Any], start: int, texts: CorpusTexts) -> Example | None:
    """Return the excerpt around the entity at `start`; None for an empty document.

    `document` is its row of documents.parquet.
    """
    doc: int = document["doc"]
    begin = max(start - _LEAD_CHARS, 0)
    text = read_stretch(document, begin, EXAMPLE_CHARS, texts)
    if not text:
        return None
    entities = (
        scan_table(find_table(results, "entities"))
        .filter((pl.col("doc") == doc) & (pl.col("end") > begin) & (pl.col("start") < begin + len(text)))
        .select("start", "end", pl.col("label").cast(pl.String))
        .collect(engine="streaming")
        .sort("start")
    )
    chars: int = document["chars"]
    spans = [(a - begin, b - begin, label) for a, b, label in entities.iter_rows()]
    text, spans, dropped = _trim(text, spans, cut_before=begin > 0, cut_after=begin + len(text) < chars)
    return Example(
        doc=doc,
        id=document["id"],
        file=document["file"],
        row=document["row"],
        pieces=tuple(_cut_at_entities(text, spans)),
        cut_before=begin + dropped > 0,
        cut_after=begin + dropped + len(text) < chars,
    )


def read_stretch(document: Mapping[str, Any], begin: int, size: int, texts: CorpusTexts) -> str | None:
    """Return so many code points of a document from `begin` on, or fewer where the window there ends.

    `document` has its ``doc``, ``shard`` and ``windows``, of documents.parquet. The document's windows lie in the shard
    of its first one, and in those that follow. None where a shard is gone.
    """
    shard, missing = document["shard"], document["windows"]
    local = int(texts.numbering(shard).to_part(np.array([document["doc"]]))[0])
    while missing > 0:
        if not texts.path(shard).is_file():
            return None
        windows = scan_table(texts.path(shard)).filter(pl.col("doc") == local).select("start", "text")
        rows = windows.with_columns(size=pl.col("text").str.len_chars()).select("start", "size").collect()
        inside = rows.filter((pl.col("start") <= begin) & (begin <= pl.col("start") + pl.col("size")))
        if inside.height:
            at = int(inside["start"].to_numpy().max())
            text = pl.col("text").str.slice(begin - at, size)
            return str(windows.filter(pl.col("start") == at).select(text).collect().item())
        missing -= rows.height
        shard += 1
    return None


Span = tuple[int, int, str]


def _trim(text: str, spans: list[Span], *, cut_before: bool, cut_after: bool) -> tuple[str, list[Span], int]:
    """Drop half a word, or half an entity, at either end; return also how many characters went at the start."""
    left, right = 0, len(text)
    if cut_before:
        space = text.find(" ", 0, 40)
        left = space + 1 if space >= 0 else 0
        left = max([left, *(end for start, end, _ in spans if start < left)])
    if cut_after:
        space = text.rfind(" ", max(right - 40, left))
        right = space if space > left else right
        right = min([right, *(start for start, end, _ in spans if start >= left and end > right)])
    kept = [(start - left, end - left, label) for start, end, label in spans if left <= start and end <= right]
    if not kept and spans:  # an entity longer than the excerpt: show as much of it as there is
        start, end, label = spans[0]
        return text, [(max(start, 0), min(end, len(text)), label)], 0
    return text[left:right], kept, left


def _cut_at_entities(text: str, spans: list[Span]) -> list[ExcerptPiece]:
    """Cut text at its entities; an entity that overlaps the one before it is left out."""
    pieces, at = [], 0
    for start, end, label in spans:
        if start < at:
            continue
        if start > at:
            pieces.append(ExcerptPiece(text[at:start], None))
        pieces.append(ExcerptPiece(text[start:end], label))
        at = end
    if at < len(text):
        pieces.append(ExcerptPiece(text[at:], None))
    return pieces
