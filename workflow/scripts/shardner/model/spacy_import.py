"""Importing spaCy without what a pipeline has no use for.

Where Torch is installed, thinc imports it, and so does spaCy: 1.5 seconds and 190 MB in every process, for nothing if
all layers of the pipeline are thinc's own. Torch can be hidden while spaCy is imported; thinc then takes it as missing.

spaCy imports its command line too, for one function, `spacy.info`, and with the command line 370 modules of others: a
third of the time. Here that function and the command line are imported when they are asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser, Error
from contextlib import contextmanager, nullcontext
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

#: spaCy's own components, none of which computes with Torch unless an architecture does.
FACTORIES = frozenset(
    ("attribute_ruler", "entity_linker", "entity_ruler", "lemmatizer", "morphologizer", "ner", "parser", "senter",
     "sentencizer", "span_ruler", "spancat", "tagger", "textcat", "textcat_multilabel", "tok2vec",
     "trainable_lemmatizer")
)  # fmt: skip


def import_spacy(pipeline: Path | None) -> None:
    """Import spaCy for the first time, without Torch if the pipeline in a directory can do without it."""
    if "spacy" in sys.modules:
        return
    with _hidden("torch") if pipeline is not None and not needs_torch(pipeline) else nullcontext(), _without_cli():
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


@contextmanager
def _without_cli() -> Iterator[None]:
    """Let `spacy` be imported without `spacy.cli`, which is imported when somebody asks for it."""
    stand_in: Any = ModuleType("spacy.cli.info")
    stand_in.info = None
    sys.modules[stand_in.__name__] = stand_in
    try:
        yield
    finally:
        del sys.modules[stand_in.__name__]
    spacy: Any = sys.modules["spacy"]
    if vars(spacy).get("info", stand_in) is None:  # it came from the stand-in
        del spacy.info
        spacy.__getattr__ = _import_cli


def _import_cli(name: str) -> Any:
    """Return `spacy.cli` or `spacy.info`, as an attribute of `spacy` that is not there yet."""
    if name not in ("cli", "info"):
        raise AttributeError(f"module 'spacy' has no attribute {name!r}")
    cli = import_module("spacy.cli")
    return cli if name == "cli" else cli.info
