"""What a component of a pipeline reads and writes, as far as can be known.

Four sources, in this order: what its class is known to do (spaCy's own components), the attributes in the patterns of a
ruler, the columns of its embedding, and what it declares (``requires`` and ``assigns`` of `Language.component`). A
component that none of these explains may read and write everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

#: What components hand to each other. Anything else (``doc._.name``, say) stands for itself, as it is declared.
TOKENS, TAG, POS, MORPH, LEMMA, DEP, NORM = (
    "tokens",
    "tags",
    "parts of speech",
    "morphology",
    "lemmas",
    "parse",
    "norms",
)
SENTENCES, ENTITIES, KB_IDS, SPANS, CATS = (
    "sentence starts",
    "entities",
    "knowledge base ids",
    "span groups",
    "categories",
)

#: By name of a token's attribute, as in patterns and in columns of an embedding; others follow from the text.
ATTRIBUTES: Mapping[str, str] = {
    "TAG": TAG, "POS": POS, "MORPH": MORPH, "LEMMA": LEMMA, "DEP": DEP, "HEAD": DEP, "NORM": NORM,
    "SENT_START": SENTENCES, "IS_SENT_START": SENTENCES, "SENT_END": SENTENCES, "IS_SENT_END": SENTENCES,
    "ENT_TYPE": ENTITIES, "ENT_IOB": ENTITIES, "ENT_ID": ENTITIES, "ENT_KB_ID": KB_IDS,
}  # fmt: skip

#: By what a component declares.
DECLARED: Mapping[str, str] = {
    **{f"token.{name.lower()}": meaning for name, meaning in ATTRIBUTES.items()},
    "doc.sents": SENTENCES, "span.sent": SENTENCES, "span.sents": SENTENCES, "doc.ents": ENTITIES,
    "doc.noun_chunks": DEP, "doc.spans": SPANS, "doc.cats": CATS, "doc.text": "text", "token.text": "text",
    "token.orth": "text", "token.lower": "text", "token.shape": "text", "token.prefix": "text", "token.suffix": "text",
}  # fmt: skip

#: What spaCy's own components read beyond their declarations, their embedding and their patterns, by factory.
#: Sentence starts that are set already restrict a parser and a recogniser.
READS: Mapping[str, frozenset[str]] = {
    "tok2vec": frozenset(),
    "tagger": frozenset({TAG}),
    "morphologizer": frozenset({POS, MORPH}),
    "parser": frozenset({SENTENCES}),
    "beam_parser": frozenset({SENTENCES}),
    "senter": frozenset({SENTENCES}),
    "sentencizer": frozenset({SENTENCES}),
    "attribute_ruler": frozenset(),
    "lemmatizer": frozenset({POS, MORPH, TAG, LEMMA}),
    "trainable_lemmatizer": frozenset({LEMMA}),
    "ner": frozenset({SENTENCES, ENTITIES}),
    "beam_ner": frozenset({SENTENCES, ENTITIES}),
    "entity_ruler": frozenset({ENTITIES}),
    "future_entity_ruler": frozenset({ENTITIES}),
    "span_ruler": frozenset({ENTITIES}),
    "span_finder": frozenset({SPANS}),
    "spancat": frozenset({SPANS}),
    "spancat_singlelabel": frozenset({SPANS}),
    "entity_linker": frozenset({ENTITIES, SENTENCES, KB_IDS}),
    "textcat": frozenset(),
    "textcat_multilabel": frozenset(),
    "merge_entities": frozenset({ENTITIES}),
    "merge_noun_chunks": frozenset({DEP, TAG, POS}),
    "merge_subtokens": frozenset({DEP}),
    "token_splitter": frozenset(),
    "doc_cleaner": frozenset(),
    "transformer": frozenset(),
    "curated_transformer": frozenset(),
}
#: What they write beyond their declarations.
WRITES: Mapping[str, frozenset[str]] = {
    "morphologizer": frozenset({POS, MORPH}),
    "future_entity_ruler": frozenset({ENTITIES, SPANS}),
    "parser": frozenset({DEP, SENTENCES}),
    "beam_parser": frozenset({DEP, SENTENCES}),
}

#: Packages whose layers and components are what this module knows.
KNOWN_PACKAGES = frozenset(
    ("spacy", "thinc", "spacy_transformers", "spacy_curated_transformers", "curated_transformers")
)
#: Ways of a transformer to cut a document that look at nothing but its pieces.
_PLAIN_SPANS = ("doc_spans", "strided_spans", "WithStridedSpans")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a component reads and writes, as words of this module or as declared."""

    reads: frozenset[str]
    writes: frozenset[str]
    reads_all: bool = False  # it does not say what it reads
    writes_all: bool = False  # it does not say what it writes
    retokenizes: bool = False
    feeds: frozenset[str] = frozenset()  # components that listen to its vectors
    embeds: frozenset[str] = frozenset()  # attributes of tokens that its embedding reads

    def wants(self, other: Dependencies) -> frozenset[str]:
        """Return what it reads that `other` writes."""
        if self.reads_all:
            return other.writes or frozenset({"whatever it writes"})
        return self.reads if other.writes_all else self.reads & other.writes


def find_dependencies(nlp: Language, name: str) -> Dependencies:
    """Return what an enabled component of a loaded pipeline reads and writes."""
    component: Any = nlp.get_pipe(name)
    meta = nlp.get_pipe_meta(name)
    factory = str(meta.factory) if _is_known(component) else ""
    writes = {DECLARED.get(each, each) for each in meta.assigns} | WRITES.get(factory, frozenset())
    embeds, strange = read_columns(component)
    reads = {DECLARED.get(each, each) for each in meta.requires} | READS.get(factory, frozenset())
    reads |= {ATTRIBUTES[each] for each in embeds if each in ATTRIBUTES}
    patterns = read_patterns(component)
    reads |= patterns
    if factory == "attribute_ruler":
        writes |= {
            ATTRIBUTES[key.upper()] for each in component.patterns for key in each["attrs"] if key.upper() in ATTRIBUTES
        }
    if factory == "doc_cleaner":
        writes |= {DECLARED.get(f"doc.{each}", f"doc.{each}") for each in component.cfg["attrs"]}
    if getattr(component, "annotate_ents", False):  # a span ruler told to write entities
        writes |= {ENTITIES}
    explained = factory in READS or bool(meta.requires)
    return Dependencies(
        reads=frozenset(reads),
        writes=frozenset(writes),
        reads_all=not explained or strange or _cuts_by_sentence(component, factory),
        writes_all=not factory and not meta.assigns,
        retokenizes=bool(meta.retokenizes),
        feeds=frozenset(getattr(component, "listening_components", ())),
        embeds=embeds,
    )


def read_columns(component: Any) -> tuple[frozenset[str], bool]:
    """Return the attributes that the model of a component extracts, and whether a layer of it is of unknown origin."""
    from spacy.attrs import IDS  # type: ignore[import-not-found]
    from thinc.api import Model

    model = getattr(component, "model", None)
    if not isinstance(model, Model):
        return frozenset(), False
    names = {number: name for name, number in IDS.items()}
    found: set[str] = set()
    strange = False
    for node in model.walk():
        module = getattr(node._func, "__module__", "") or ""
        strange |= module.split(".")[0] not in KNOWN_PACKAGES
        if module == "spacy.ml.featureextractor":
            found |= {each.upper() if isinstance(each, str) else names.get(each, "") for each in node.attrs["columns"]}
    return frozenset(found), strange


def read_patterns(component: Any) -> frozenset[str]:
    """Return what the patterns of a ruler read: of entities, spans, or attributes."""
    found: set[str] = set()
    patterns = getattr(component, "patterns", ()) if _is_known(component) else ()
    for each in patterns:
        if "patterns" in each:  # an attribute ruler's
            for pattern in each["patterns"]:
                found |= _keys(pattern)
        elif isinstance(each.get("pattern"), list):
            found |= _keys(each["pattern"])
        elif attribute := getattr(component, "phrase_matcher_attr", None):
            found |= {ATTRIBUTES[str(attribute).upper()]} if str(attribute).upper() in ATTRIBUTES else set()
    return frozenset(found)


def _keys(pattern: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return what the tokens of a pattern are matched by."""
    found: set[str] = set()
    for token in pattern:
        for key, value in token.items():
            if key == "_":
                found |= {f"token._.{name}" for name in value}
            elif str(key).upper() in ATTRIBUTES:
                found.add(ATTRIBUTES[str(key).upper()])
            elif str(key).upper().startswith(("LEFT_", "RIGHT_", "REL_")):
                found.add(DEP)
    return found


def _is_known(component: Any) -> bool:
    module = getattr(component, "__module__", None) or type(component).__module__
    return str(module).split(".")[0] in KNOWN_PACKAGES


def _cuts_by_sentence(component: Any, factory: str) -> bool:
    """Tell whether a transformer may cut documents by something else than their pieces, such as sentences."""
    if factory not in ("transformer", "curated_transformer"):
        return False
    getter = getattr(getattr(component, "model", None), "attrs", {}).get("get_spans")
    name = getattr(getter, "__qualname__", "") if getter is not None else "WithStridedSpans"
    return not any(each in name for each in (*_PLAIN_SPANS, "get_doc_spans", "get_strided_spans"))
