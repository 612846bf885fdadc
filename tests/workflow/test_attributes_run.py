"""Real runs of a pipeline that says more than entities: the tables are those of one process, however it is cut."""

from __future__ import annotations

import os
from pathlib import Path

import making_attributes
import polars as pl
import pytest
import spacy
from making import WORDS, make_pipeline, make_texts, run_workflow, write_jsonl
from making_attributes import ATTRIBUTES, GROUPS, count_tokens, make_saying_pipeline, say_plainly
from spacy.tokens import DocBin

ENDING = " . Ada Lovelace left Analytical Engines Ltd. in London."
TEXTS = [f"{text}{ENDING}" for text in [*make_texts(30, longest=40), *make_texts(3, seed=5, longest=1_500)]]
TEXTS += ["", " ".join(WORDS * 60)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    return make_saying_pipeline(make_pipeline(directory / "base"), directory / "pipeline")


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every process find the components of the pipeline, as those of an installed package."""
    about = tmp_path / "installed" / "saying-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: saying\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text(
        "[spacy_factories]\ntests_loud = making_attributes:say_loud\ntests_split_ltd = making_attributes:split_ltd\n"
    )
    tests = Path(making_attributes.__file__).parent
    paths = [str(about.parent), str(tests), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.mark.parametrize(("shards", "max_chars"), [(1, 500_000), (3, 2_000), (7, 2_000)])
def test_a_run_says_what_one_process_says_and_its_docbins_say_the_same(
    tmp_path: Path, model: Path, shards: int, max_chars: int
) -> None:
    settings = {
        "corpus": {"files": [str(write_jsonl(tmp_path / "corpus.jsonl", TEXTS))]},
        "model": {"name": str(model)},
        "shards": {"count": shards},
        "windows": {"max_chars": max_chars},
        "output": {"attributes": ATTRIBUTES, "spans": GROUPS, "formats": ["parquet", "spacy"]},
        "verify": {"share": 1.0},
    }
    for target in ("all", "verify"):  # the verification counts the tokens that the components leave, too
        done = run_workflow(tmp_path, settings, target)
        assert done.returncode == 0, done.stderr
    results = tmp_path / "results"
    entities = pl.read_parquet(results / "entities.parquet").with_columns(pl.col("label").cast(pl.String))
    spans, documents = pl.read_parquet(results / "spans.parquet"), pl.read_parquet(results / "documents.parquet")
    expected_entities, expected_spans = say_plainly(model, TEXTS)
    assert entities.drop("id", "text").to_dicts() == expected_entities
    assert spans.drop("id", "score").to_dicts() == expected_spans
    assert documents["tokens"].to_list() == count_tokens(model, TEXTS)
    assert bool(documents["windows"].max() > 1) == (max_chars == 2_000)
    vocab = spacy.load(model).vocab
    docs = [
        doc
        for path in sorted((results / "documents.spacy").iterdir())
        for doc in DocBin().from_disk(path).get_docs(vocab)
    ]
    assert [
        (doc.user_data["doc"], each.start_char, each.end_char, each.label_, each.ent_id_ or None, each.kb_id_ or None)
        for doc in docs
        for each in doc.ents
    ] == entities.select("doc", "start", "end", "label", "ent_id", "kb_id").rows()
    assert [
        (doc.user_data["doc"], key, each.start_char, each.end_char, each.label_)
        for doc in docs
        for key in GROUPS
        for each in doc.spans[key]
    ] == spans.select("doc", "group", "start", "end", "label").rows()
    assert [len(doc) for doc in docs] == documents["tokens"].to_list()
    for change in ({"attributes": ["ent_id"], "spans": GROUPS}, {"attributes": ATTRIBUTES, "spans": GROUPS[:1]}):
        planned = run_workflow(tmp_path, {**settings, "output": change}, "--dry-run")
        assert "/00000 with 1 workers" in planned.stdout  # a change annotates again
    planned = run_workflow(tmp_path, settings, "--dry-run")
    assert "Annotating shard" not in planned.stdout
