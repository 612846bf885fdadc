"""What the contenders share: their arguments, reading the corpus, and writing the table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

Row = tuple[int, int, int, str, str]
COLUMNS = ("doc", "start", "end", "text", "label")


def parse_arguments() -> argparse.Namespace:
    """Return what measure.py gives to every contender."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True, help="documents")
    return parser.parse_args()


def read_texts(corpus: Path) -> list[str]:
    """Return the texts of JSON lines."""
    with corpus.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def import_spacy() -> None:
    """Import spaCy without Torch, which is installed for one contender and takes time and memory in all."""
    hidden: dict[str, Any] = {} if "torch" in sys.modules else {"torch": None}
    modules: dict[str, Any] = sys.modules
    modules |= hidden
    import spacy  # noqa: F401

    for name in hidden:
        del modules[name]


def load(model: Path) -> Language:
    """Load the pipeline, without spaCy's limit on the length of a text."""
    import_spacy()
    import spacy

    nlp = spacy.load(model)
    nlp.max_length = sys.maxsize
    return nlp


def batches(texts: list[str], size: int) -> Iterator[tuple[int, list[str]]]:
    """Yield runs of whole documents, each with the number of its first."""
    for first in range(0, len(texts), size):
        yield first, texts[first : first + size]


def rows_of(docs: Iterable[Any], first: int = 0) -> list[Row]:
    """Return the entities of consecutive documents."""
    return [
        (number, entity.start_char, entity.end_char, entity.text, entity.label_)
        for number, doc in enumerate(docs, start=first)
        for entity in doc.ents
    ]


def write_table(path: Path, rows: list[Row]) -> None:
    """Write entities as Parquet."""
    import polars as pl

    schema = {"doc": pl.UInt64, "start": pl.UInt32, "end": pl.UInt32, "text": pl.String, "label": pl.String}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)
