"""A few excerpts with their entities, chosen so that together they show as many labels as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shardner.data.manifest import Manifest

#: How many excerpts are shown, and how long they are, in code points.
EXCERPTS = 5
EXCERPT_CHARS = 600
#: Entities this close together may share an excerpt.
_BUCKET_CHARS = 450
#: Text shown before an excerpt's first entity.
_LEAD_CHARS = 90
#: Documents to choose from, spread over the corpus; and excerpts kept of them to choose from.
_DOCUMENTS, _CANDIDATES = 20_000, 200


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; `label` is null where it is no entity."""

    text: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """An excerpt of a document."""

    doc: int
    id: str
    file: str
    row: int
    pieces: tuple[Piece, ...]
    cut_before: bool
    cut_after: bool


def choose_examples(results: Path, manifest: Manifest, shard_paths: Sequence[Path]) -> tuple[Example, ...]:
    """Return up to five excerpts; none where the shards' files are gone.

    Args:
        results: the directory of entities.parquet and documents.parquet.
        manifest: names the shards, in the order of `shard_paths`.
        shard_paths: the shards' tables of windows.
    """
    infos = zip(manifest.shards, shard_paths, strict=False)
    held = [(info.first_doc, path) for info, path in infos if info.first_doc is not None and path.is_file()]
    chosen = _cover_labels(_find_candidates(results, manifest.documents))
    if not chosen:
        chosen = [(doc, 0) for doc in range(min(manifest.documents, 3))]
    places = (
        pl.scan_parquet(results / "documents.parquet")
        .filter(pl.col("doc").is_in([doc for doc, _ in chosen]))
        .select("doc", "id", "file", "row", "chars", "shard")
        .collect(engine="streaming")
    )
    starts = dict(chosen)
    examples = (
        _read_example(results, row, starts[row["doc"]], _shards_of(row["doc"], held))
        for row in places.iter_rows(named=True)
    )
    return tuple(sorted((each for each in examples if each), key=lambda example: example.doc))


def _shards_of(doc: int, held: Sequence[tuple[int, Path]]) -> list[Path]:
    """Return the shards that may hold windows of a document, several of a long one; given are their first documents."""
    first = max((begin for begin, _ in held if begin < doc), default=doc)
    return [path for begin, path in held if first <= begin <= doc]


def _find_candidates(results: Path, documents: int) -> pl.DataFrame:
    """Return excerpts, as (doc, start, labels), the richest in labels first."""
    step = max(documents // _DOCUMENTS, 1)
    return (
        pl.scan_parquet(results / "entities.parquet")
        .filter(pl.col("doc") % step == 0)
        .group_by("doc", pl.col("start") // _BUCKET_CHARS)
        .agg(
            pl.col("start").min().alias("first"),
            pl.col("label").cast(pl.String).unique().sort().alias("labels"),
            pl.len().alias("entities"),
        )
        .with_columns(kinds=pl.col("labels").list.len())
        .top_k(_CANDIDATES, by=["kinds", "entities", "doc", "first"], reverse=[False, False, True, True])
        .collect(engine="streaming")
        .sort(["kinds", "entities", "doc", "first"], descending=[True, True, False, False])
        .select("doc", "first", "labels")
    )


def _cover_labels(candidates: pl.DataFrame) -> list[tuple[int, int]]:
    """Take, again and again, the excerpt with most labels not shown so far; of each document at most one."""
    rest = list(candidates.iter_rows())
    seen: set[str] = set()
    chosen: dict[int, int] = {}
    while rest and len(chosen) < EXCERPTS:
        best = max(range(len(rest)), key=lambda index: (len(set(rest[index][2]) - seen), -index))
        doc, start, labels = rest[best]
        if set(labels) <= seen:
            seen = set(labels)  # all labels have been shown: begin another round
        seen |= set(labels)
        chosen[doc] = start
        rest = [row for row in rest if row[0] != doc]
    return list(chosen.items())


def _read_example(results: Path, place: dict[str, object], start: int, shards: Sequence[Path]) -> Example | None:
    doc = int(str(place["doc"]))
    begin = max(start - _LEAD_CHARS, 0)
    text = _read_text(doc, begin, shards) if shards else None
    if not text:
        return None  # empty
    entities = (
        pl.scan_parquet(results / "entities.parquet")
        .filter((pl.col("doc") == doc) & (pl.col("end") > begin) & (pl.col("start") < begin + len(text)))
        .select("start", "end", pl.col("label").cast(pl.String))
        .collect(engine="streaming")
        .sort("start")
    )
    chars = int(str(place["chars"]))
    spans = [(a - begin, b - begin, label) for a, b, label in entities.iter_rows()]
    text, spans, dropped = _trim(text, spans, cut_before=begin > 0, cut_after=begin + len(text) < chars)
    return Example(
        doc=doc,
        id=str(place["id"]),
        file=str(place["file"]),
        row=int(str(place["row"])),
        pieces=tuple(_cut(text, spans)),
        cut_before=begin + dropped > 0,
        cut_after=begin + dropped + len(text) < chars,
    )


def _read_text(doc: int, begin: int, shards: Sequence[Path]) -> str | None:
    """Return a document's text from `begin` on, as far as the window there and an excerpt go."""
    windows = pl.scan_parquet(list(shards)).filter(pl.col("doc") == doc)
    at = windows.filter(pl.col("start") <= begin).select(pl.col("start").max()).collect(engine="streaming").item()
    if at is None:
        return None
    text = pl.col("text").str.slice(begin - at, EXCERPT_CHARS)
    found = windows.filter(pl.col("start") == at).select(text).collect(engine="streaming")["text"].to_list()
    return str(found[0])


Span = tuple[int, int, str]


def _trim(text: str, spans: list[Span], *, cut_before: bool, cut_after: bool) -> tuple[str, list[Span], int]:
    """Drop half a word, or half an entity, at either end; return also how much went at the start."""
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
    if not kept and spans:  # one entity larger than the excerpt: show what there is of it
        start, end, label = spans[0]
        return text, [(max(start, 0), min(end, len(text)), label)], 0
    return text[left:right], kept, left


def _cut(text: str, spans: list[Span]) -> list[Piece]:
    """Cut text at its entities; one that overlaps the one before is left out."""
    pieces, at = [], 0
    for start, end, label in spans:
        if start < at:
            continue
        if start > at:
            pieces.append(Piece(text[at:start], None))
        pieces.append(Piece(text[start:end], label))
        at = end
    if at < len(text):
        pieces.append(Piece(text[at:], None))
    return pieces
