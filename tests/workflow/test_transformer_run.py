"""A real run of the workflow with a transformer pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import annotate_plainly, entity_rows, make_texts, run_workflow, write_jsonl
from making_transformers import write_transformer_pipeline

pytest.importorskip(
    "spacy_curated_transformers", reason="needs the transformers extra: tools/setup.sh dev transformers"
)
pytestmark = pytest.mark.transformers


def test_a_run_gives_the_entities_of_one_process(tmp_path: Path) -> None:
    texts = [*make_texts(80, seed=6), "", " ", "Ada Lovelace in London. " * 200]
    model = write_transformer_pipeline(tmp_path / "model")
    run = run_workflow(
        tmp_path,
        {
            "corpus": {"files": [str(write_jsonl(tmp_path / "corpus.jsonl", texts))]},
            "model": {"name": str(model)},
            "shards": {"count": 2},
            "ner": {"device": "cpu", "threads": 2, "audit": 1},
        },
    )
    assert run.returncode == 0, run.stderr
    expected = annotate_plainly(model, texts)
    assert len(expected) > 100
    assert entity_rows(tmp_path / "results/entities.parquet") == expected
    assert "fused decoder, stock encoder" in (tmp_path / "results/performance.json").read_text()
