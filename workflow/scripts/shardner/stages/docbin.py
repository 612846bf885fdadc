"""A shard's results as a DocBin of spaCy: the tokens that the kept components leave, and what the tables say of them.

Entities, ids and span groups come from the tables. Tokens are not in the tables: the tokenizer makes them again. If a
component that runs may change tokens, the components run again too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from shardner.data.files import atomic_path
from shardner.data.tables import scan_table
from shardner.engine.pipes import run_pipes
from shardner.errors import MergeError
from shardner.model.dependencies import READS
from shardner.model.pipeline import Pipeline, load_pipeline, load_tokenizer
from shardner.stages.document_rows import CorpusTexts, read_texts

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

#: What a DocBin holds of each token besides its text.
ATTRIBUTES = ("ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID")


@dataclass(frozen=True, slots=True)
class Results:
    """The tables of a run that a DocBin is made of."""

    documents: Path
    entities: Path
    spans: Path | None = None  # only where span groups are asked for
    groups: tuple[str, ...] = ()  # the span groups asked for


def export_shard_docbin(shard: int, corpus: CorpusTexts, results: Results, pipeline: Pipeline, target: Path) -> None:
    """Write a shard's documents as a DocBin, to be loaded with the pipeline's vocab.

    Tokens have the attributes of `ATTRIBUTES`; ids are there if ``output.attributes`` names them. The ``user_data`` of
    each `Doc` holds number and id of the document. A long document is written as a whole, with the shard of its first
    window.

    Args:
        shard: its number.
        corpus: the texts.
        results: the run's tables.
        pipeline: what annotated.
        target: where the DocBin goes.

    Raises:
        MergeError: a shard that the run has read is gone, or the pipeline no longer gives the tokens of the tables.
    """
    from spacy.tokens import DocBin

    documents = scan_table(results.documents).filter(pl.col("shard") == shard)
    table = documents.select("doc", "id", "tokens", "windows").collect()
    facts = {doc: rest for doc, *rest in table.iter_rows()}
    windows = {doc: windows for doc, (_, _, windows) in facts.items()}
    entities = _read_rows(results.entities, table["doc"])
    spans = _read_rows(results.spans, table["doc"]) if results.spans is not None else {}
    docbin = DocBin(attrs=list(ATTRIBUTES), store_user_data=True)
    tokens = _Tokens(pipeline)
    for number, text in read_texts(corpus, shard, windows, MergeError):
        name, count, _ = facts[number]
        doc = tokens.make(text, count, entities.get(number, ()))
        doc.set_ents([_make_span(doc, row) for row in entities.get(number, ())])
        for group in results.groups:
            _add_group(doc, group, [row for row in spans.get(number, ()) if row["group"] == group])
        doc.user_data["doc"], doc.user_data["id"] = number, name
        docbin.add(doc)
    with atomic_path(target) as temporary:
        docbin.to_disk(temporary)


#: An entity or a span, by column.
Row = Mapping[str, Any]


def _read_rows(path: Path, docs: pl.Series) -> dict[int, list[Row]]:
    """Return the entities or spans of documents `docs` (sorted), by document."""
    if docs.is_empty():
        return {}
    columns = ("doc", "group", "start", "end", "label", "score", "ent_id", "kb_id")
    table = scan_table(path).filter(pl.col("doc").is_between(docs.min(), docs.max()))
    there = [name for name in columns if name in table.collect_schema()]
    rows: dict[int, list[Row]] = {}
    for row in table.select(there).with_columns(pl.col("label").cast(pl.String)).collect().iter_rows(named=True):
        rows.setdefault(row["doc"], []).append(row)
    return rows


def _make_span(doc: Doc, row: Row) -> Span:
    span: Span | None = doc.char_span(
        row["start"], row["end"], label=row["label"], kb_id=row.get("kb_id") or "", span_id=row.get("ent_id") or ""
    )
    if span is None:
        raise MergeError(
            f"the tokens that the pipeline gives now are not those of the run: none begins and ends with "
            f"{row['start']}-{row['end']} of document {row['doc']}; a component that remembers earlier documents, or "
            f"draws at random, gives no DocBin: take 'spacy' out of output.formats"
        )
    return span


def _add_group(doc: Doc, name: str, rows: Sequence[Row]) -> None:
    """Add a span group, with scores if all its spans have one."""
    from spacy.tokens import SpanGroup

    scores = [row["score"] for row in rows]
    attributes = {"scores": np.array(scores)} if scores and None not in scores else {}
    doc.spans[name] = SpanGroup(doc, name=name, attrs=attributes, spans=[_make_span(doc, row) for row in rows])


class _Tokens:
    """Makes documents with the tokens that the kept components leave, and nothing else."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._tokenizer = load_tokenizer(pipeline)
        self._always_runs = _may_retokenize(self._tokenizer, pipeline.components)
        self._nlp: Language | None = None  # loaded when it is first needed

    def make(self, text: str, count: int, entities: Sequence[Row]) -> Doc:
        """Return a document of a text, which has `count` tokens by the tables, and these entities."""
        if not self._always_runs:
            doc = self._tokenizer.make_doc(text)
            if len(doc) == count and all(doc.char_span(row["start"], row["end"]) is not None for row in entities):
                return doc
        return self._run(text)

    def _run(self, text: str) -> Doc:
        """Return a document with the tokens of a text after the components have run."""
        from spacy.tokens import Doc

        self._nlp = nlp = self._nlp or load_pipeline(self._pipeline)
        company = ["word"] if text.isspace() else []  # by itself such a text has no pieces for a transformer
        done = run_pipes(nlp, [nlp.make_doc(each) for each in [text, *company]])[0]
        return Doc(self._tokenizer.vocab, [each.text for each in done], [bool(each.whitespace_) for each in done])


def _may_retokenize(nlp: Language, components: Sequence[str]) -> bool:
    """Tell whether a component changes tokens, or is not spaCy's own, so that it could."""
    factories = list(_find_factories(nlp, components))
    return any(each not in READS or nlp.get_factory_meta(each).retokenizes for each in factories)


def _find_factories(nlp: Language, components: Sequence[str]) -> Iterator[str]:
    """Yield the factory of each component, as the pipeline's own configuration names it."""
    from spacy.util import load_config

    assert nlp.path is not None  # it was loaded from there
    configured = load_config(nlp.path / "config.cfg")["components"]
    for name in components:
        yield str(configured[name].get("factory", ""))
