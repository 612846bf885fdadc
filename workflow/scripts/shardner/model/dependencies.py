"""What a component of a pipeline reads and writes, as far as can be known.

Four sources: what spaCy's own components are known to do, the attributes in the patterns of a ruler, what the layers of
a model read, and what a component declares (``requires`` and ``assigns`` of `Language.component`). A component that
these do not explain may read and write everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardner.model.attributes import (
    CATS,
    DEP,
    ENTITIES,
    KB_IDS,
    LEMMA,
    MORPH,
    POS,
    POSITION,
    SENTENCES,
    SPANS,
    TAG,
    TRANSFORMER_OUTPUT,
    UNKNOWN,
    VECTORS,
    attribute_name,
    words_of,
    words_of_declared,
)  # fmt: skip
from shardner.model.layers import is_known, package_of, read_model

if TYPE_CHECKING:
    from spacy.language import Language

#: What spaCy's own components read beyond their model, their patterns and their declarations, by factory. Most of them
#: read what they write, for they leave or add to what is there already. Sentence starts that are set restrict a parser
#: and a recogniser.
READS: Mapping[str, frozenset[str]] = {
    "tok2vec": frozenset(),
    "transformer": frozenset(),
    "curated_transformer": frozenset(),
    "tagger": frozenset({TAG}),
    "morphologizer": frozenset({POS, MORPH}),
    "attribute_ruler": frozenset(),
    "lemmatizer": frozenset({POS, MORPH, TAG, LEMMA}),
    "trainable_lemmatizer": frozenset({LEMMA}),
    "parser": frozenset({SENTENCES}),
    "beam_parser": frozenset({SENTENCES}),
    "senter": frozenset({SENTENCES}),
    "sentencizer": frozenset({SENTENCES}),
    "ner": frozenset({SENTENCES, ENTITIES}),
    "beam_ner": frozenset({SENTENCES, ENTITIES}),
    "entity_ruler": frozenset({ENTITIES}),
    "future_entity_ruler": frozenset({ENTITIES}),
    "span_ruler": frozenset({ENTITIES}),  # and spans, but for nothing except the spans that it writes
    "span_finder": frozenset({SPANS}),
    "spancat": frozenset({SPANS}),
    "spancat_singlelabel": frozenset({SPANS}),
    "entity_linker": frozenset({ENTITIES, SENTENCES, KB_IDS}),
    "textcat": frozenset(),
    "textcat_multilabel": frozenset(),
    "merge_entities": frozenset({ENTITIES}),
    "merge_noun_chunks": frozenset({DEP, TAG, POS, ENTITIES}),
    "merge_subtokens": frozenset({DEP, ENTITIES}),
    "token_splitter": frozenset({ENTITIES}),
    "doc_cleaner": frozenset(),
}
#: What they write beyond their declarations.
WRITES: Mapping[str, frozenset[str]] = {
    "tok2vec": frozenset({VECTORS}),
    "transformer": frozenset({TRANSFORMER_OUTPUT}),
    "curated_transformer": frozenset({TRANSFORMER_OUTPUT}),
    "morphologizer": frozenset({POS, MORPH}),
    "parser": frozenset({DEP, SENTENCES}),
    "beam_parser": frozenset({DEP, SENTENCES}),
    "span_finder": frozenset({SPANS}),
    "future_entity_ruler": frozenset({ENTITIES, SPANS}),
    "textcat": frozenset({CATS}),
    "textcat_multilabel": frozenset({CATS}),
}
#: Components that make one token of several, with attributes of the token that heads them in the parse.
_MERGERS = frozenset(("merge_entities", "merge_noun_chunks", "merge_subtokens"))
#: Settings of spaCy's own components that hold a function, or an object, which may be the user's own.
_PARTS = (
    "suggester", "get_candidates", "get_candidates_batch", "kb", "spans_filter", "ents_filter", "set_extra_annotations"
)  # fmt: skip
#: Ways of a transformer to cut a document that look at nothing but its pieces.
_PLAIN_SPANS = ("get_doc_spans", "get_strided_spans")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a component reads and writes, as words of `attributes` or as declared."""

    reads: frozenset[str]
    writes: frozenset[str]
    reads_all: bool = False  # it does not say what it reads
    writes_all: bool = False  # it does not say what it writes
    factory: str = ""  # the name of a component of spaCy that is known, empty for any other
    retokenizes: bool = False
    merges: bool = False  # it makes one token of several, with attributes of the token that heads them
    feeds: frozenset[str] = frozenset()  # components that listen to its vectors
    embeds: frozenset[str] = frozenset()  # attributes of tokens that its model reads
    reads_position: bool = False  # what it does depends on where in the document a token stands

    def wants(self, other: Dependencies) -> frozenset[str]:
        """Return what it reads that `other` writes."""
        if self.reads_all:
            return other.writes or frozenset({"whatever it writes"})
        return self.reads if other.writes_all else self.reads & other.writes


def find_dependencies(nlp: Language, name: str) -> Dependencies:
    """Return what an enabled component of a loaded pipeline reads and writes."""
    component: Any = nlp.get_pipe(name)
    meta = nlp.get_pipe_meta(name)
    factory = str(meta.factory) if is_known(component) and meta.factory in READS else ""
    model = read_model(component, nlp.vocab)
    patterns = _read_patterns(component) if factory else frozenset()
    required, says_reads = words_of_declared(meta.requires)
    if not factory and ENTITIES in required:
        required |= {KB_IDS}  # an entity in doc.ents has one
    found, knows_all = words_of([*model.attributes, *patterns, *_read_settings(component, factory)])
    writes, says_writes = _find_writes(component, factory, meta.assigns)
    return Dependencies(
        reads=required | found | model.listens_to | READS.get(factory, frozenset()),
        writes=writes,
        reads_all=not ((factory or meta.requires) and says_reads and knows_all),
        writes_all=not says_writes,
        factory=factory,
        retokenizes=bool(meta.retokenizes),
        merges=factory in _MERGERS,
        feeds=frozenset(getattr(component, "listening_components", ())),
        embeds=model.attributes,
        reads_position=POSITION in model.attributes | patterns,
    )


def _find_writes(component: Any, factory: str, assigns: Iterable[str]) -> tuple[frozenset[str], bool]:
    """Return what a component writes, and whether that is all."""
    declared, says_all = words_of_declared(assigns)
    if not factory:
        linked = frozenset({KB_IDS}) if ENTITIES in declared else frozenset()  # a span that it sets may have one
        return declared | linked, says_all and bool(list(assigns))
    words, knows_all = _find_set_by_settings(component, factory)
    return declared | words | WRITES.get(factory, frozenset()), knows_all


def _find_set_by_settings(component: Any, factory: str) -> tuple[frozenset[str], bool]:
    """Return what the settings of one of spaCy's own components make it write, and whether that is all."""
    if factory == "attribute_ruler":
        names = {name for each in component.patterns for name in _keys(each["attrs"])}
        # an attribute that follows from the text would be set for all tokens of that text, in every document
        return words_of(names)[0], all(words_of([name])[0] for name in names)
    if factory == "doc_cleaner":
        return words_of_declared(f"doc.{each}" for each in component.cfg["attrs"])
    if factory == "transformer":
        return frozenset(), is_known(getattr(component, "set_extra_annotations", None))
    if getattr(component, "annotate_ents", False):  # a span ruler told to write entities
        return frozenset({ENTITIES}), True
    return frozenset(), True


def _read_settings(component: Any, factory: str) -> set[str]:
    """Return the attributes that spaCy's own components read because of their settings."""
    found: set[str] = set()
    if not factory:
        return found
    parts = [getattr(component, part, None) for part in _PARTS]
    if not all(is_known(part) for part in parts if part is not None):
        found.add(UNKNOWN)
    if factory == "lemmatizer" and type(component).__module__.startswith("spacy.lang.es"):
        found.add("SENT_START")
    if factory == "trainable_lemmatizer" and isinstance(component.backoff, str):
        found.add(attribute_name(component.backoff))
    if factory == "transformer" and not _cuts_plainly(component):
        found.add(UNKNOWN)
    return found


def _cuts_plainly(component: Any) -> bool:
    """Tell whether a transformer cuts documents by their pieces alone, and not by sentences, say."""
    getter = getattr(getattr(component, "model", None), "attrs", {}).get("get_spans")
    is_plain = str(getattr(getter, "__qualname__", "")).endswith(_PLAIN_SPANS)
    return is_plain and package_of(getter) == "spacy_transformers"


def _read_patterns(component: Any) -> frozenset[str]:
    """Return the attributes that the patterns of a ruler are matched by."""
    found: set[str] = set()
    for each in getattr(component, "patterns", ()):
        if "patterns" in each:  # an attribute ruler's
            found |= {name for pattern in each["patterns"] for token in pattern for name in _keys(token)}
        elif isinstance(each["pattern"], str):
            found.add(attribute_name(getattr(component, "phrase_matcher_attr", None) or "ORTH"))
        else:
            found |= {name for token in each["pattern"] for name in _keys(token)}
    return frozenset(found)


def _keys(token: Mapping[Any, Any]) -> set[str]:
    """Return the attributes of a token that a pattern, or what a ruler sets, names."""
    own = {f"_.{name}" for name in token.get("_", ())}
    return own | {attribute_name(key) for key in token if key != "_"}
