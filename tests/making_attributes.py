"""A pipeline that says something about entities besides their labels, and what one process makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
from spacy.kb import InMemoryLookupKB
from spacy.language import Language
from spacy.tokens import Doc, Span

#: What the pipeline gives: values of ``output.attributes`` and ``output.spans``.
ATTRIBUTES = ["kb_id", "_.loud", "sentence", "ent_id", "_.parts"]
GROUPS = ["words", "names"]


@Language.component("tests_loud", assigns=["span._.loud", "span._.parts"])
def say_loud(doc: Doc) -> Doc:
    """Register extensions of spans and set one of them; the other has a getter."""
    Span.set_extension("loud", default=None, force=True)
    Span.set_extension("parts", getter=lambda span: [token.text for token in span], force=True)
    for entity in doc.ents:
        if entity.label_ != "ORG":
            entity._.loud = len(entity) if entity.label_ == "GPE" else len(entity) / 2
    return doc


@Language.component("tests_split_ltd", retokenizes=True)
def split_ltd(doc: Doc) -> Doc:
    """Split the abbreviation Ltd. into two tokens."""
    with doc.retokenize() as retokenizer:
        for token in doc:
            if token.text == "Ltd.":
                retokenizer.split(token, ["Ltd", "."], heads=[token, token])
    return doc


def make_saying_pipeline(base: Path, directory: Path, *, split: bool = True) -> Path:
    """Write a pipeline on the recogniser of `base`, with ids, links, sentences, span groups, and extensions."""
    nlp = spacy.load(base)
    if split:
        nlp.add_pipe("tests_split_ltd", first=True)
    ruler: Any = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns(
        [
            {"label": "PERSON", "pattern": "Ada Lovelace", "id": "Q7259"},
            {"label": "ORG", "pattern": [{"LOWER": "analytical"}, {"LOWER": "engines"}, {"TEXT": "Ltd"}], "id": "Q1"},
        ]
    )
    linker: Any = nlp.add_pipe("entity_linker", config={"incl_context": False})
    kb = InMemoryLookupKB(nlp.vocab, entity_vector_length=2)
    for name, number in (("London", "Q84"), ("Zürich", "Q72")):
        kb.add_entity(entity=number, freq=5, entity_vector=[1, 1])
        kb.add_alias(alias=name, entities=[number], probabilities=[1.0])
    linker.set_kb(lambda vocab: kb)
    nlp.add_pipe("tests_loud")
    names: Any = nlp.add_pipe("span_ruler", name="names", config={"spans_key": "names"})
    names.add_patterns([{"label": "CITY", "pattern": "London"}, {"label": "PLACE", "pattern": "in London"}])
    words: Any = nlp.add_pipe("span_ruler", name="words", config={"spans_key": "words"})
    words.add_patterns([{"label": "WORD", "pattern": [{"IS_ALPHA": True}]}])
    nlp.to_disk(directory)
    return directory


def say_plainly(directory: Path, texts: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of entities.parquet and spans.parquet as one process running ``nlp.pipe`` gives them."""
    entities, spans = [], []
    for number, doc in enumerate(spacy.load(directory).pipe(texts)):
        starts = [sentence.start for sentence in doc.sents]
        entities += [
            {
                "doc": number, "start": each.start_char, "end": each.end_char, "label": each.label_,
                "kb_id": each.kb_id_ or None,
                "_.loud": each._.loud if each._.loud is None else float(each._.loud),
                "sentence": sum(start <= each.start for start in starts) - 1,
                "ent_id": each.ent_id_ or None, "_.parts": json.dumps(each._.parts, ensure_ascii=False),
            }
            for each in doc.ents
        ]  # fmt: skip
        spans += [
            {"doc": number, "group": key, "start": each.start_char, "end": each.end_char, "text": each.text,
             "label": each.label_}
            for key in GROUPS
            for each in sorted(doc.spans[key], key=lambda span: (span.start_char, span.end_char))
        ]  # fmt: skip
    return entities, spans


def count_tokens(directory: Path, texts: Sequence[str]) -> list[int]:
    """Return how many tokens the whole pipeline leaves of each text."""
    return [len(doc) for doc in spacy.load(directory).pipe(texts)]
