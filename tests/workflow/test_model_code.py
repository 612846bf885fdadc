"""A run with components of the user's own, named in `model.code`."""

from __future__ import annotations

import json
from pathlib import Path

import spacy
from making import entity_rows, make_pipeline, make_texts, run_workflow, write_jsonl
from shardner.model.user_code import import_code

TEXTS = make_texts(30)
#: Reads tags without saying so, and finds entities where there is no recogniser.
CODE = """
from spacy.language import Language
from spacy.tokens import Span

@Language.component("test_run_tags", assigns=["token.tag"], requires=["token.text"])
def set_tags(doc):
    for token in doc:
        token.tag_ = "LONG" if len(token) > 4 else "SHORT"
    return doc

@Language.component("test_run_entities")
def find_long(doc):
    doc.ents = [Span(doc, token.i, token.i + 1, "LONG") for token in doc if token.tag_ == "LONG"]
    return doc
"""


def test_a_run_with_code_of_ones_own_gives_the_entities_of_the_whole_pipeline(tmp_path: Path) -> None:
    code = tmp_path / "code" / "components.py"
    code.parent.mkdir()
    code.write_text(CODE)
    import_code([str(code)])
    nlp = spacy.load(make_pipeline(tmp_path / "plain"))
    nlp.add_pipe("test_run_tags", first=True)
    nlp.add_pipe("test_run_entities")
    (tmp_path / "training").mkdir()
    nlp.to_disk(tmp_path / "training" / "model-best")
    settings = {
        "corpus": {"files": [str(write_jsonl(tmp_path / "corpus.jsonl", TEXTS))]},
        "model": {"name": "training", "code": ["code/components.py"]},
        "shards": {"count": 2},
        "ner": {"threads": 2},
    }
    run = run_workflow(tmp_path, settings)
    assert run.returncode == 0, run.stderr
    expected = [
        (number, entity.start_char, entity.end_char, entity.text, "LONG")
        for number, doc in enumerate(nlp.pipe(TEXTS))
        for entity in doc.ents
    ]
    assert len(expected) > 30 and entity_rows(tmp_path / "results/entities.parquet") == expected
    provenance = json.loads((tmp_path / "results/provenance.json").read_text("utf-8"))
    assert provenance["model"]["code"] == [str(code)]
    assert [each["kept"] for each in provenance["model"]["decisions"]] == [True] * 4

    code.write_text(CODE.replace("> 4", "> 6"))  # annotates again
    plan = run_workflow(tmp_path, settings, "--dry-run", "--quiet", "progress")
    assert all(rule in plan.stdout + plan.stderr for rule in ("prepare_model", "annotate_shard"))
    code.unlink()
    gone = run_workflow(tmp_path, settings, "--dry-run")
    assert gone.returncode == 1
    assert "model.code: there is no file 'code/components.py'" in gone.stdout + gone.stderr
    assert "Traceback" not in gone.stdout + gone.stderr
