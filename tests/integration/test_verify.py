from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import in_process
import polars as pl
import pytest
from making import ROOT, make_pipeline, make_texts, write_jsonl
from shardner.data.typed_json import read_json, write_json
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, load_pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify
from shardner.stages.verify.findings import Difference, Findings, add_up_findings
from shardner.stages.verify.shard import verify_shard
from shardner.stages.verify.whole_document import Answer, Expected, WholeDocument, compare
from shardner.stages.verify.wording import describe_findings
from spacy.language import Language
from spacy.tokens import Doc

LONG = 7
SHARDS = 3


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    directory = make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto")


@pytest.fixture(scope="module")
def done(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, in_process.Run]:
    """A finished run, in which one document lies in windows of all shards."""
    directory = tmp_path_factory.mktemp("run")
    texts = make_texts(30, seed=2)
    texts[LONG] = " ".join(make_texts(80, seed=3))
    corpus = write_jsonl(directory / "corpus.jsonl", texts)
    run = in_process.run(directory, corpus, pipeline, SHARDS, windows={"max_chars": 400})
    holders = pl.scan_parquet([run.texts.path(shard) for shard in range(SHARDS)], include_file_paths="shard")
    assert holders.filter(pl.col("doc") == LONG).collect()["shard"].n_unique() == SHARDS
    return directory, run


def verified(
    done: tuple[Path, in_process.Run],
    pipeline: Pipeline,
    share: float = 1.0,
    documents: Path | None = None,
    entities: Path | None = None,
    **options: Any,
) -> list[Findings]:
    _, run = done
    tables = documents or run.results.documents, entities or run.results.entities
    return [verify_shard(shard, run.texts, *tables, pipeline, share, **options) for shard in range(SHARDS)]


def tampered(done: tuple[Path, in_process.Run], target: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
    change(pl.read_parquet(done[1].results.entities)).write_parquet(target)
    return target


def test_every_document_of_a_run_is_verified_whole(done: tuple[Path, in_process.Run], pipeline: Pipeline) -> None:
    found = sum(verified(done, pipeline), Findings())
    assert found == Findings(documents=30, verified=30, identical=30)


def test_what_the_terminal_shows_of_a_run_needs_no_polars() -> None:
    code = (
        "import sys, shardner.stages.verify.findings, shardner.stages.verify.wording\n"
        "import shardner.stages.estimate.figures, shardner.stages.estimate.wording\n"
        "print(sorted({'polars', 'numpy', 'spacy'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_small_share_verifies_one_document_of_each_shard_that_begins_one(
    done: tuple[Path, in_process.Run], pipeline: Pipeline
) -> None:
    each = verified(done, pipeline, share=1e-9)
    assert [found.verified for found in each] == [int(found.documents > 0) for found in each]
    assert sum(found.documents for found in each) == 30


def test_an_entity_changed_in_a_long_document_is_found_and_both_answers_shown(
    done: tuple[Path, in_process.Run], pipeline: Pipeline, tmp_path: Path
) -> None:
    last = pl.read_parquet(done[1].results.entities).filter(pl.col("doc") == LONG).height - 1
    is_it = (pl.col("doc") == LONG) & (pl.int_range(pl.len()).over("doc") == last)
    entities = tampered(
        done,
        tmp_path / "entities",
        lambda table: table.with_columns(
            label=pl.when(is_it & (pl.col("label").cast(pl.String) != "ORG"))
            .then(pl.lit("ORG"))
            .when(is_it)
            .then(pl.lit("GPE"))
            .otherwise(pl.col("label").cast(pl.String))
        ),
    )
    found = sum(verified(done, pipeline, entities=entities), Findings())
    assert (found.verified, found.identical, found.differing) == (30, 29, 1)
    difference = found.differences[0]
    assert (difference.doc, difference.id) == (LONG, f"d{LONG}")
    assert "only stock spaCy:" in difference.text and "only the results:" in difference.text
    assert "score gap" in difference.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.filter(pl.int_range(pl.len()) != 3), "entities in documents.parquet"),
        (lambda table: pl.concat([table[:1], table]), "entities in documents.parquet"),
        (lambda table: pl.concat([table[1:2], table[:1], table[2:]]), "order of the text"),
        (lambda table: table.with_columns(text=pl.lit("\x1b[31m")), "text of entity"),
        (lambda table: table.with_columns(id=pl.lit("another")), "id of entity"),
    ],
)
def test_a_table_that_was_changed_is_found(
    done: tuple[Path, in_process.Run],
    pipeline: Pipeline,
    tmp_path: Path,
    change: Callable[[pl.DataFrame], pl.DataFrame],
    said: str,
) -> None:
    found = sum(verified(done, pipeline, entities=tampered(done, tmp_path / "entities", change)), Findings())
    assert found.differing > 0 and found.verified == found.identical + found.differing
    assert said in found.differences[0].text and "\x1b" not in found.differences[0].text


def test_a_missing_entity_is_found_in_a_document_that_was_not_drawn(
    done: tuple[Path, in_process.Run], pipeline: Pipeline, tmp_path: Path
) -> None:
    docs = pl.read_parquet(done[1].results.entities)["doc"].unique().to_list()
    for doc in docs[:3]:  # of these, one at most is drawn
        first = (pl.col("doc") == doc) & (pl.int_range(pl.len()).over("doc") == 0)
        entities = tampered(done, tmp_path / "entities", lambda table, first=first: table.filter(~first))
        found = sum(verified(done, pipeline, share=1e-9, entities=entities), Findings())
        assert [each.doc for each in found.differences] == [doc]


def test_a_document_that_is_missing_is_found(
    done: tuple[Path, in_process.Run], pipeline: Pipeline, tmp_path: Path
) -> None:
    table = pl.read_parquet(done[1].results.documents)
    table.filter(pl.col("doc") != 4).write_parquet(tmp_path / "documents")
    found = sum(verified(done, pipeline, documents=tmp_path / "documents"), Findings())
    assert [each.doc for each in found.differences] == [4]
    assert "not among the documents, but stock spaCy annotates it" in found.differences[0].text


def test_a_near_tie_is_no_difference(done: tuple[Path, in_process.Run], pipeline: Pipeline, tmp_path: Path) -> None:
    labels = pl.col("label").cast(pl.String)
    changed = pl.when(pl.int_range(pl.len()) > 0).then(labels).when(labels == "ORG").then(pl.lit("GPE"))
    entities = tampered(
        done, tmp_path / "entities", lambda table: table.with_columns(label=changed.otherwise(pl.lit("ORG")))
    )
    # a real near-tie cannot be made to order
    found = sum(verified(done, pipeline, entities=entities, near_tie=1e9), Findings())
    assert (found.identical, found.near_ties, found.differing) == (29, 1, 0)


def test_what_is_too_long_is_counted_and_left(done: tuple[Path, in_process.Run], pipeline: Pipeline) -> None:
    found = sum(verified(done, pipeline, most_chars=1_000), Findings())
    assert (found.verified, found.identical, found.too_long) == (29, 29, 1)
    assert describe_findings(found).endswith("29 identical, 1 too long to verify whole")


def test_many_batches_give_what_one_gives(done: tuple[Path, in_process.Run], pipeline: Pipeline) -> None:
    assert sum(verified(done, pipeline, batch_chars=100), Findings()).identical == 30


def test_a_rejected_document_must_fail_for_stock_spacy_too(pipeline: Pipeline) -> None:
    nlp, document = load_pipeline(pipeline), WholeDocument(3, "d3", "Ada")
    assert compare(nlp, document, None, None).identical == 1
    assert compare(nlp, document, None, Expected(1, [])).differing == 1
    failed = compare(nlp, document, Answer("d3", 3, 1, 0, []), None)
    assert "stock spaCy fails on it" in failed.differences[0].text


def test_a_shard_that_is_gone_says_what_to_do(
    done: tuple[Path, in_process.Run], pipeline: Pipeline, tmp_path: Path
) -> None:
    run = done[1]
    gone = replace(run.texts, shards=tmp_path)
    with pytest.raises(VerifyError, match=r"00000\.parquet is gone; remove .* and run again"):
        verify_shard(0, gone, run.results.documents, run.results.entities, pipeline, 1.0)


def test_findings_of_shards_become_a_file_only_where_nothing_differs(
    done: tuple[Path, in_process.Run], pipeline: Pipeline, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{shard}.json" for shard in range(SHARDS)]
    target, manifest = tmp_path / "verify.json", done[1].manifest
    for path in paths:
        write_json(path, Findings(documents=10, verified=1, identical=1))
    assert add_up_findings(paths, manifest, pipeline, 0.1, target) == read_json(target, Findings)
    assert json.loads(target.read_text())["share"] == 0.1
    assert (
        describe_findings(read_json(target, Findings)).replace("\xa0", " ")
        == "verified 3 documents (10 %), 3 identical"
    )
    target.unlink()
    differences = tuple(Difference(number, f"d{number}\x1b", "only stock spaCy: nothing") for number in range(6))
    write_json(paths[0], Findings(documents=10, verified=6, differing=6, differences=differences))
    with pytest.raises(VerifyError, match=r"(?s)'d0␛' \(doc 0\).*'d4␛' \(doc 4\).*and 1 more"):
        add_up_findings(paths, manifest, pipeline, 0.1, target)
    write_json(paths[0], Findings(documents=9))
    with pytest.raises(VerifyError, match="hold 29 documents, but the corpus has 30"):
        add_up_findings(paths, manifest, pipeline, 0.1, target)
    assert not target.exists()


@Language.component("tests_drop_persons", assigns=["doc.ents"], requires=["doc.ents"])
def drop_persons(doc: Doc) -> Doc:
    doc.ents = [entity for entity in doc.ents if entity.label_ != "PERSON"]
    return doc


def test_a_component_behind_the_recogniser_that_makes_results_differ_fails_the_verification(
    done: tuple[Path, in_process.Run], pipeline: Pipeline, tmp_path: Path
) -> None:
    """The recogniser scores what it took above what is in the results, so the gap is negative: no near-tie."""
    nlp = load_pipeline(pipeline)
    nlp.add_pipe("tests_drop_persons")
    nlp.to_disk(tmp_path / "pipeline")
    other = prepare_pipeline(classify(str(tmp_path / "pipeline")), None, tmp_path / "unpacked", "auto")
    with_persons = pl.read_parquet(done[1].results.entities).filter(pl.col("label") == "PERSON")["doc"].n_unique()
    found = verified(done, other)
    assert with_persons > 10 and sum(each.differing for each in found) == with_persons
    assert sum(each.near_ties for each in found) == 0
    paths = [tmp_path / f"{shard}.json" for shard in range(SHARDS)]
    for path, each in zip(paths, found, strict=True):
        write_json(path, each)
    with pytest.raises(VerifyError, match=f"(?s){with_persons}.documents of 30.*only the results: .*PERSON"):
        add_up_findings(paths, done[1].manifest, other, 1.0, tmp_path / "verify.json")
    assert not (tmp_path / "verify.json").exists()


@Language.component("tests_split_names", retokenizes=True, assigns=["doc.ents"])
def split_names(doc: Doc) -> Doc:
    with doc.retokenize() as retokenizer:
        for token in doc:
            if token.text == "Analytical":
                retokenizer.split(token, ["Analy", "tical"], heads=[token, token])
    return doc


def test_correct_results_of_a_pipeline_that_retokenizes_pass_with_long_documents(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    nlp = load_pipeline(pipeline)
    nlp.add_pipe("tests_split_names")
    nlp.to_disk(tmp_path / "pipeline")
    other = prepare_pipeline(classify(str(tmp_path / "pipeline")), None, tmp_path / "unpacked", "auto")
    texts = [*make_texts(12, seed=2), " ".join(make_texts(60, seed=3))]
    run = in_process.run(tmp_path, write_jsonl(tmp_path / "c.jsonl", texts), other, SHARDS, windows={"max_chars": 900})
    assert pl.read_parquet(run.results.documents)["windows"].max() > 3  # type: ignore[operator]
    assert sum(verified((tmp_path, run), other), Findings()).identical == len(texts)
