"""The verification of a finished run: stock spaCy annotates some documents again, whole, and must find what is there.

The audit compares within an annotate job, windows by themselves. This compares the tables that the merge wrote with
the text that the split wrote, so that what lies between is checked with it. The draw is the audit's. A document is
verified with the shard that holds its first window, in one piece, whatever windows it was cut into. Of the shard's
other documents it is checked that as many entities are there as documents.parquet says.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from shardner.annotate.audit import NEAR_TIE, SHOWN, draw, find_limit, sample_keys
from shardner.annotate.near_ties import Entity, first_gap
from shardner.data.files import write_text_atomically
from shardner.data.manifest import Manifest
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import shard_path
from shardner.engine.annotations import Annotations
from shardner.engine.stock import StockEngine
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, load_pipeline
from shardner.terminal.numbers import count, percent, plural
from shardner.terminal.visible_text import one_line, show_controls

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)

#: A longer document is not verified. Stock spaCy annotates it in one piece, which takes some 3.6 kB a character with a
#: recogniser of 96 dimensions; spaCy itself refuses more than this by default.
MOST_CHARS = 1_000_000
#: Documents are read and annotated in parts of so many characters, or one document.
PART_CHARS = 1 << 20
#: Documents that differ whose answers are kept, of a shard and of the run; an error shows fewer.
KEPT = 100
SHOWN_DOCUMENTS = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A document that differs, and how."""

    doc: int
    id: str
    text: str  # lines, fit for a terminal


@dataclass(frozen=True, slots=True)
class Findings:
    """What a verification found; findings add."""

    documents: int = 0  # among which the verified ones were drawn
    verified: int = 0
    identical: int = 0
    near_ties: int = 0
    differing: int = 0  # drawn or not
    too_long: int = 0  # documents that were drawn, but are too long to be annotated in one piece
    differences: tuple[Difference, ...] = ()  # the first

    def __add__(self, other: Findings) -> Findings:
        """Return the findings of both."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        return Findings(**sums, differences=(self.differences + other.differences)[:KEPT])


_COUNTS = ("documents", "verified", "identical", "near_ties", "differing", "too_long")


class Document(NamedTuple):
    """A document as the split wrote it, whole."""

    doc: int
    id: str
    text: str


class Expected(NamedTuple):
    """What stock spaCy finds in a document."""

    tokens: int
    entities: list[Entity]


class Answer(NamedTuple):
    """What the results say of a document that is among them."""

    id: str
    chars: int
    tokens: int
    number: int  # of entities, as documents.parquet says
    entities: list[tuple[str, int, int, str, str]]  # id, start, end, text, label, in the order of the table


def verify_shard(
    shard: int, shards: Path, documents: Path, entities: Path, pipeline: Pipeline, share: float
) -> Findings:
    """Verify a `share` of the documents whose first windows lie in a shard, one at least.

    Args:
        shard: its number.
        shards: the directory of all shards.
        documents: the table of documents of the run.
        entities: the table of entities of the run.
        pipeline: what annotated.
        share: above 0, up to 1.

    Raises:
        ModelError: the pipeline cannot be loaded.
        VerifyError: a shard that the run has read is gone.
    """
    firsts = _scan(shard_path(shards, shard)).filter(pl.col("window") == 0).select("doc", "id", "chars", "windows")
    held = firsts.collect()
    if held.is_empty():
        return Findings()
    keys = sample_keys(held["doc"].to_numpy(), np.zeros(held.height, dtype=np.int64))
    drawn = held.filter(pl.Series(draw(keys, find_limit(keys, share))))
    whole = drawn.filter(pl.col("chars") <= MOST_CHARS)
    found = Findings(documents=held.height, too_long=drawn.height - whole.height)
    nlp = load_pipeline(pipeline)
    engine = StockEngine(nlp)
    for part in _parts(whole):
        texts = read_texts(shards, shard, part)
        theirs = engine.annotate(texts, Stopwatch())
        answers = read_answers(documents, entities, part["doc"])
        for row, (doc, name) in enumerate(part.select("doc", "id").iter_rows()):
            found += compare(nlp, Document(doc, name, texts[row]), answers.get(doc), _expected(theirs, row))
    found += _count_rest(held.filter(~pl.col("doc").is_in(drawn["doc"].implode())), documents, entities)
    log.info("shard %05d: %d documents verified, %d identical", shard, found.verified, found.identical)
    return found


def read_texts(shards: Path, shard: int, documents: pl.DataFrame) -> list[str]:
    """Return the texts of documents whose first windows lie in a shard; their other windows may lie in later ones.

    Raises:
        VerifyError: a shard that the run has read is gone.
    """
    tables: list[pl.DataFrame] = []
    missing = int(documents["windows"].sum())
    while missing > 0:
        tables.append(_only(_scan(shard_path(shards, shard)), documents["doc"], "window", "text"))
        missing -= tables[-1].height
        shard += 1
    windows = pl.concat(tables).sort("doc", "window")
    return windows.group_by("doc", maintain_order=True).agg(pl.col("text").str.join(""))["text"].to_list()


def read_answers(documents: Path, entities: Path, docs: pl.Series) -> dict[int, Answer]:
    """Return what the results say of documents `docs` (sorted); nothing of one that was rejected."""
    rows = _only(pl.scan_parquet(entities), docs, "id", "start", "end", "text", pl.col("label").cast(pl.String))
    found: dict[int, list[tuple[str, int, int, str, str]]] = {}
    for doc, *entity in rows.iter_rows():
        found.setdefault(doc, []).append((entity[0], entity[1], entity[2], entity[3], entity[4]))
    table = _only(pl.scan_parquet(documents), docs, "id", "chars", "tokens", "entities")
    return {doc: Answer(*facts, found.get(doc, [])) for doc, *facts in table.iter_rows()}  # type: ignore[call-arg]


def compare(nlp: Language, document: Document, answer: Answer | None, expected: Expected | None) -> Findings:
    """Compare what the results say of a document, None where it was rejected, with what stock spaCy says of it.

    `expected` is None where a component raised on the text, as it must for a document that was rejected.
    """
    if answer is None or expected is None:
        faults = [] if answer is None and expected is None else [_one_failed(answer)]
        return _finding(document, faults, near_tie=False)
    facts = _facts(document, answer)
    faults = [f"{what}: {said!r}, should be {fact!r}" for what, said, fact in facts if said != fact]
    ours = [(start, end, label) for _, start, end, _, label in answer.entities]
    same = ours == expected.entities
    near_tie = False
    if not same:
        gap = first_gap(nlp, document.text, expected.entities, ours)
        near_tie = gap < NEAR_TIE
        faults += [] if near_tie else _answers(document.text, ours, expected.entities, gap)
    elif answer.tokens != expected.tokens:
        faults.append(f"tokens: {answer.tokens}, should be {expected.tokens}")
    return _finding(document, faults, near_tie=near_tie)


def add_up_findings(
    paths: Iterable[Path], manifest: Manifest, pipeline: Pipeline, share: float, verification: Path
) -> Findings:
    """Add up the findings of all shards and write them as JSON.

    Raises:
        VerifyError: a document differs; shows the ids of the first few and both answers. Nothing is written then.
    """
    found = sum(map(read_findings, paths), Findings())
    if found.documents != manifest.documents:
        raise VerifyError(
            f"the shards hold {found.documents} documents, but the corpus has {manifest.documents}; "
            f"remove the directory .work/verify and verify again"
        )
    if found.differing:
        raise VerifyError(_refusal(found, mixed_precision=pipeline.mixed_precision))
    figures = {"share": share, **{name: getattr(found, name) for name in _COUNTS}}
    write_text_atomically(verification, json.dumps(figures, indent=1) + "\n")
    log.info(describe_findings(found))
    return found


def write_findings(path: Path, findings: Findings) -> None:
    """Write findings as JSON, atomically."""
    write_text_atomically(path, json.dumps(dataclasses.asdict(findings), indent=1, ensure_ascii=False) + "\n")


def read_findings(path: Path) -> Findings:
    """Read what `write_findings` or `add_up_findings` wrote."""
    data = json.loads(path.read_text("utf-8"))
    shown = tuple(Difference(**each) for each in data.get("differences", ()))
    return Findings(**{name: data[name] for name in _COUNTS}, differences=shown)


def describe_findings(found: Findings) -> str:
    """Return the findings in a line: verified 1,234 documents (1.0 %), 1,233 identical, 1 near-tie."""
    share = percent(found.verified / found.documents) if found.documents else "all"
    parts = [f"verified {plural(found.verified, 'document')} ({share}), {count(found.identical)} identical"]
    parts += [plural(found.near_ties, "near-tie")] if found.near_ties else []
    parts += [f"{count(found.too_long)} too long to verify whole"] if found.too_long else []
    return ", ".join(parts)


def _scan(path: Path) -> pl.LazyFrame:
    if not path.is_file():
        raise VerifyError(f"{path} is gone; remove {path.parent} and run again: the corpus is then split anew")
    return pl.scan_parquet(path)


def _only(table: pl.LazyFrame, docs: pl.Series, *columns: str | pl.Expr) -> pl.DataFrame:
    """Return columns of the rows of documents `docs` (sorted), in the order of the table."""
    first, last = docs[0], docs[-1]  # a range, for Parquet to skip the rest by its statistics
    chosen = pl.col("doc").is_between(first, last) & pl.col("doc").is_in(docs.implode())
    return table.filter(chosen).select("doc", *columns).collect()


def _parts(documents: pl.DataFrame) -> list[pl.DataFrame]:
    """Cut documents into parts of about `PART_CHARS` characters, or one document."""
    before = documents["chars"].cast(pl.Int64).cum_sum() - documents["chars"]
    parts = documents.with_columns(part=before // PART_CHARS)
    return parts.partition_by("part", maintain_order=True, include_key=False)


def _expected(found: Annotations, row: int) -> Expected | None:
    if row in found.failed:
        return None
    first, last = found.offsets[row], found.offsets[row + 1]
    places = (found.starts[first:last].tolist(), found.ends[first:last].tolist())
    return Expected(int(found.tokens[row]), list(zip(*places, found.labels[first:last], strict=True)))


def _facts(document: Document, answer: Answer) -> Iterator[tuple[str, object, object]]:
    """Yield what the results say, of what, and what is so."""
    yield "id", answer.id, document.id
    yield "characters", answer.chars, len(document.text)
    yield "entities in documents.parquet", answer.number, len(answer.entities)
    for name, start, end, text, _ in answer.entities:
        yield f"id of entity {start}-{end}", name, document.id
        yield f"text of entity {start}-{end}", text, document.text[start:end]


def _one_failed(answer: Answer | None) -> str:
    if answer is None:
        return "it is not among the documents, but stock spaCy annotates it"
    return f"it has {plural(len(answer.entities), 'entity', 'entities')}, but stock spaCy fails on it"


def _answers(text: str, ours: Sequence[Entity], theirs: Sequence[Entity], gap: float) -> list[str]:
    found, expected = Counter(ours), Counter(theirs)
    if found == expected:
        return ["its entities are not in the order of the text"]
    explained = "" if math.isinf(gap) else f"  (score gap {gap:.2g})"
    return [
        f"only stock spaCy:  {_show(text, expected - found)}{explained}",
        f"only the results:  {_show(text, found - expected)}",
    ]


def _show(text: str, entities: Counter[Entity]) -> str:
    rows = sorted(entities.elements())
    shown = [f"{show_controls(label)} {text[start:end]!r} {start}-{end}" for start, end, label in rows[:SHOWN]]
    return (", ".join(shown) or "nothing") + (f", {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")


def _finding(document: Document, faults: Sequence[str], *, near_tie: bool) -> Findings:
    if faults:
        text = "\n".join(one_line(fault, 2_000) for fault in faults[:SHOWN])
        difference = Difference(document.doc, document.id, text)
        return Findings(verified=1, differing=1, differences=(difference,))
    return Findings(verified=1, near_ties=int(near_tie), identical=int(not near_tie))


def _count_rest(rest: pl.DataFrame, documents: Path, entities: Path) -> Findings:
    """Compare how many entities the documents `rest` have with how many they should have."""
    if rest.is_empty():
        return Findings()
    there = _only(pl.scan_parquet(entities), rest["doc"]).group_by("doc").len("there")
    said = _only(pl.scan_parquet(documents), rest["doc"], pl.col("entities").alias("said"))
    counts = rest.select("doc", "id").join(said, on="doc", how="left").join(there, on="doc", how="left")
    wrong = counts.with_columns(pl.col("said", "there").fill_null(0)).filter(pl.col("said") != pl.col("there"))
    differences = [
        Difference(doc, name, f"documents.parquet says {plural(said, 'entity', 'entities')}, but {there} are there")
        for doc, name, said, there in wrong.sort("doc").iter_rows()
    ]
    return Findings(differing=len(differences), differences=tuple(differences[:KEPT]))


def _refusal(found: Findings, *, mixed_precision: bool) -> str:
    lines = [
        f"{plural(found.differing, 'document')} of {count(found.documents)} ({count(found.verified)} verified) "
        f"{'is' if found.differing == 1 else 'are'} not in the results as stock spaCy finds "
        f"{'it' if found.differing == 1 else 'them'}:"
    ]
    for each in found.differences[:SHOWN_DOCUMENTS]:
        lines += [f"  {one_line(each.id, 200)!r} (doc {each.doc})", *(f"    {line}" for line in each.text.splitlines())]
    if found.differing > SHOWN_DOCUMENTS:
        lines.append(f"  and {count(found.differing - SHOWN_DOCUMENTS)} more: see the files of .work/verify")
    if mixed_precision:
        lines.append("The run computed in half precision (model.mixed_precision), stock spaCy here in full")
    lines.append("If results were changed after the run, remove them and run again; else please report it")
    return "\n".join(lines)
