"""Importing spaCy without Torch, where a pipeline has no use for it.

Where Torch is installed, thinc imports it, and so does spaCy: 1.5 seconds and 190 MB in every process, for nothing if
all layers of the pipeline are thinc's own. Torch can be hidden while spaCy is imported; thinc then takes it as missing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser, Error
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

#: spaCy's own components, none of which computes with Torch unless an architecture does.
FACTORIES = frozenset(
    ("attribute_ruler", "entity_linker", "entity_ruler", "lemmatizer", "morphologizer", "ner", "parser", "senter",
     "sentencizer", "span_ruler", "spancat", "tagger", "textcat", "textcat_multilabel", "tok2vec",
     "trainable_lemmatizer")
)  # fmt: skip


def import_spacy(pipeline: Path | None) -> None:
    """Import spaCy for the first time, without Torch if the pipeline in a directory can do without it."""
    if "spacy" not in sys.modules and pipeline is not None and not needs_torch(pipeline):
        with _hidden("torch"):
            import spacy  # noqa: F401


def needs_torch(pipeline: Path) -> bool:
    """Tell whether a pipeline may need Torch: everything in its config has to be known not to."""
    configs = [*pipeline.glob("config.cfg"), *pipeline.glob("*/config.cfg")]  # a package holds the directory
    if entry_points(group="spacy_factories"):  # a package extends spaCy, which imports it with every pipeline
        return True
    parsed = ConfigParser(interpolation=None, delimiters=("=",))
    try:
        parsed.read_string(configs[0].read_text("utf-8"))
    except (IndexError, OSError, Error, UnicodeDecodeError):
        return True
    used = [
        (key, value.strip().strip('"'))
        for section in parsed.sections()
        if re.match(r"(components|nlp)\b", section)
        for key, value in parsed[section].items()
    ]
    factories = {value for key, value in used if key == "factory"}
    functions = {value for key, value in used if key.startswith("@")}
    own = all(name.startswith("spacy.") and "torch" not in name.lower() for name in functions)
    return not (own and factories <= FACTORIES)


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    modules: dict[str, Any] = sys.modules
    if module in modules:
        yield
        return
    modules[module] = None  # importing it raises ImportError
    try:
        yield
    finally:
        del modules[module]
