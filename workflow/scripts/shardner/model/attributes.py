"""The words for what components of a pipeline hand to each other, and the attributes that stand for each of them.

An attribute of a token is named as in spaCy's patterns and in the columns of an embedding (``"TAG"``), or ``"_.name"``
for a custom extension. What a component declares is named as spaCy names it (``"token.tag"``, ``"doc._.name"``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: What components hand to each other. Anything else (``doc._.name``, say) stands for itself, as it is declared.
TAG, POS, MORPH, LEMMA, DEP, NORM = "tags", "parts of speech", "morphology", "lemmas", "parse", "norms"
SENTENCES, ENTITIES, KB_IDS = "sentence starts", "entities", "knowledge base ids"
SPANS, CATS, VECTORS = "span groups", "categories", "vectors"
#: Where a transformer leaves its output, for those that listen to it.
TRANSFORMER_OUTPUT = "doc._.trf_data"

#: Stands for an attribute that cannot be known.
UNKNOWN = "?"
#: An attribute that says where in the document a token stands.
POSITION = "IDX"

#: By attribute of a token. Those that are not here follow from the text, or are not known.
ATTRIBUTES: Mapping[str, str] = {
    "TAG": TAG, "POS": POS, "MORPH": MORPH, "LEMMA": LEMMA, "DEP": DEP, "HEAD": DEP, "NORM": NORM,
    "SENT_START": SENTENCES, "IS_SENT_START": SENTENCES, "SENT_END": SENTENCES, "IS_SENT_END": SENTENCES,
    "ENT_TYPE": ENTITIES, "ENT_IOB": ENTITIES, "ENT_ID": ENTITIES, "ENT_KB_ID": KB_IDS,
}  # fmt: skip
#: Attributes that follow from the text; so do spaCy's flags (``IS_ALPHA``, ``LIKE_NUM``). OP is a key of patterns.
_OF_TEXT = frozenset(
    ("ID", "ORTH", "TEXT", "LOWER", "SHAPE", "PREFIX", "SUFFIX", "LENGTH", "CLUSTER", "PROB", "RANK", "LANG", "SPACY",
     "WHITESPACE", "TEXT_WITH_WS", "I", POSITION, "OP")
)  # fmt: skip

#: By what a component declares, where the name of the attribute does not say it.
_DECLARED: Mapping[str, frozenset[str]] = {
    "doc.ents": frozenset({ENTITIES}),
    "doc.sents": frozenset({SENTENCES}),
    "doc.spans": frozenset({SPANS}),
    "doc.cats": frozenset({CATS}),
    "doc.text": frozenset(),
    "doc.noun_chunks": frozenset({DEP, POS, TAG}),
    "token.sent": frozenset({SENTENCES}),
    "token.head": frozenset({DEP, SENTENCES}),
    **{
        f"token.{name}": frozenset({DEP})
        for name in ("children", "lefts", "rights", "subtree", "ancestors", "conjuncts", "left_edge", "right_edge")
    },
    **{
        f"{owner}.{name}": frozenset({VECTORS})
        for owner in ("doc", "token")
        for name in ("tensor", "vector", "vector_norm", "has_vector")
    },
}


def attribute_name(key: object) -> str:
    """Return the name of an attribute that a pattern, a setting or an embedding gives by name or by number."""
    from spacy.attrs import IDS  # type: ignore[import-not-found]

    if isinstance(key, str):
        return key.upper()
    return next((str(name) for name, number in IDS.items() if number == key and name), UNKNOWN)


def words_of(attributes: Iterable[str]) -> tuple[frozenset[str], bool]:
    """Return what attributes of tokens stand for, and whether that is all: False where one of them is not known."""
    words: set[str] = set()
    is_all = True
    for name in attributes:
        if name in ATTRIBUTES:
            words.add(ATTRIBUTES[name])
        elif name.startswith("_."):
            words.add(f"token.{name}")
            is_all &= not is_computed(f"token.{name}")
        else:
            is_all &= _follows_from_text(name)
    return frozenset(words), is_all


def words_of_declared(declared: Iterable[str]) -> tuple[frozenset[str], bool]:
    """Return what a component's ``requires`` or ``assigns`` stand for, and whether that is all (see `words_of`)."""
    words: set[str] = set()
    is_all = True
    for each in declared:
        owner, _, name = each.partition(".")
        if each in _DECLARED:
            words |= _DECLARED[each]
        elif name.startswith("_."):
            words.add(each)
            is_all &= not is_computed(each)
        elif owner == "token":
            found, known = words_of([name.upper()])
            words |= found
            is_all &= known
        else:
            words.add(each)
            is_all = False
    return frozenset(words), is_all


def is_computed(extension: str) -> bool:
    """Tell whether a custom extension (``"span._.name"``) is computed where it is read, from whatever there is."""
    from spacy.tokens import Doc, Span, Token

    owner, _, name = extension.partition("._.")
    kind: Any = {"doc": Doc, "span": Span, "token": Token}[owner]
    if not kind.has_extension(name):
        return False
    _, method, getter, _ = kind.get_extension(name)
    return method is not None or getter is not None


def _follows_from_text(name: str) -> bool:
    from spacy.attrs import IDS

    return name in _OF_TEXT or (name in IDS and name.startswith(("IS_", "LIKE_", "FLAG")))
