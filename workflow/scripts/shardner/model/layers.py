"""What the model of a component reads of a document, and whether documents of a batch reach each other in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shardner.model.attributes import TRANSFORMER_OUTPUT, UNKNOWN, VECTORS, attribute_name

#: Packages whose layers and components are what this program knows, or never see a document.
KNOWN_PACKAGES = frozenset(
    ("spacy", "spacy_legacy", "thinc", "numpy", "cupy", "torch", "spacy_transformers", "transformers", "tokenizers",
     "spacy_curated_transformers", "curated_transformers", "curated_tokenizers")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What a model reads: attributes of tokens (`UNKNOWN` among them), and the output of what it listens to."""

    attributes: frozenset[str] = frozenset()
    listens_to: frozenset[str] = frozenset()


def read_model(component: Any, vocab: Any) -> ModelInput:
    """Return what the layers of a component's model read; a layer or function of unknown origin may read everything."""
    attributes: set[str] = set()
    listens_to: set[str] = set()
    for node in _walk(component):
        functions = [node._func, *(value for value in node.attrs.values() if callable(value))]
        if not all(map(is_known, functions)):
            attributes.add(UNKNOWN)
        if package_of(node._func) in ("spacy", "spacy_legacy"):
            attributes |= _read_attributes(node, vocab)
        if hasattr(node, "upstream_name"):  # a listener: it reads what the component before it left in the document
            listens_to.add(VECTORS if package_of(type(node)) == "spacy" else TRANSFORMER_OUTPUT)
    return ModelInput(frozenset(attributes), frozenset(listens_to))


def _read_attributes(node: Any, vocab: Any) -> set[str]:
    """Return the attributes by which spaCy's layers take columns, n-grams or static vectors from a document."""
    found = {attribute_name(column) for column in node.attrs.get("columns", ())}
    found |= {attribute_name(node.attrs[key]) for key in ("attr", "key_attr") if node.attrs.get(key) is not None}
    if node.name == "static_vectors" and isinstance(attribute := getattr(vocab.vectors, "attr", None), int | str):
        found.add(attribute_name(attribute))
    return found


def find_leak(component: Any) -> str | None:
    """Return why the answer for a document depends on the documents beside it in a batch, None where it does not.

    A convolution over an array of all tokens of a batch reaches from one document into the next unless as many rows of
    padding lie between them as it reaches. spaCy's MaxoutWindowEncoder has them, its MishWindowEncoder has none.
    """
    for node in _walk(component):
        if getattr(node._func, "__module__", "") == "thinc.layers.with_array":
            reach = sum(each.attrs["window_size"] for each in _convolutions(node))
            if reach > node.attrs["pad"]:
                return (
                    f"its encoder reads {reach} tokens to each side with {node.attrs['pad']} rows of padding between "
                    f"the documents of a batch"
                )
    return None


def _convolutions(node: Any) -> Iterator[Any]:
    """Yield the convolutions below a node, those that are shared as often as they run."""
    if node.name == "expand_window":
        yield node
    for layer in node.layers:
        yield from _convolutions(layer)


def _walk(component: Any) -> Iterator[Any]:
    from thinc.api import Model

    model = getattr(component, "model", None)
    return iter(model.walk() if isinstance(model, Model) else ())


def package_of(thing: Any) -> str:
    """Return the package in which a function, a class, or the class of an object is defined."""
    thing = getattr(thing, "func", thing)  # of a partial
    return str(getattr(thing, "__module__", None) or type(thing).__module__).split(".")[0]


def is_known(thing: Any) -> bool:
    """Tell whether a function or object comes from a package that this program knows."""
    return package_of(thing) in KNOWN_PACKAGES
