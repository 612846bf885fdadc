from __future__ import annotations

import json
from pathlib import Path

import in_process
import polars as pl
import pytest
import spacy
from making import make_pipeline, make_texts, write_jsonl
from shardner.data.pipeline_check import PipelineCheck
from shardner.data.typed_json import read_json
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify
from shardner.stages.whole_pipeline.check import check_pipeline
from shardner.stages.whole_pipeline.sample import SampleSize, annotate_sample, choose_documents, read_sample
from shardner.stages.whole_pipeline.wording import describe_check
from spacy.language import Language
from spacy.tokens import Doc

TEXTS = make_texts(60, seed=4)
ALL = SampleSize(least_chars=10**6)


@Language.component("tests_tag_by_length", assigns=["token.pos"], requires=["token.text"])
def tag_by_length(doc: Doc) -> Doc:
    for token in doc:
        token.pos_ = "PROPN" if len(token) % 2 else "NOUN"
    return doc


@Language.component("tests_reads_more_than_it_says", assigns=["doc.ents"], requires=["doc.ents"])
def reads_more_than_it_says(doc: Doc) -> Doc:
    doc.ents = [entity for entity in doc.ents if entity.root.pos_ == "PROPN"]
    return doc


@Language.component("tests_start_at_capitals", assigns=["token.is_sent_start"], requires=["token.text"])
def start_at_capitals(doc: Doc) -> Doc:
    for token in doc:
        token.is_sent_start = token.i == 0 or token.is_title
    return doc


@Language.factory("tests_keeps_every_other_entity", assigns=["doc.ents"], requires=["doc.ents"])
class KeepsEveryOtherEntity:
    """Counts entities over all texts, so that its answer for a text depends on those before it."""

    def __init__(self, nlp: Language, name: str) -> None:
        self.seen = 0

    def __call__(self, doc: Doc) -> Doc:
        kept = [entity for number, entity in enumerate(doc.ents, self.seen) if number % 2]
        self.seen += len(doc.ents)
        doc.ents = kept
        return doc


@Language.component("tests_fails")
def fails(doc: Doc) -> Doc:
    raise ValueError("not today")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")


def prepared(nlp: Language, directory: Path, components: str | list[str] = "auto") -> Pipeline:
    nlp.to_disk(directory / "pipeline")
    return prepare_pipeline(classify(str(directory / "pipeline")), None, directory / "unpacked", components)


def checked(
    directory: Path, pipeline: Pipeline, texts: list[str], shards: int = 3, size: SampleSize = ALL, **settings: object
) -> PipelineCheck:
    """Run a corpus, and check it."""
    corpus = write_jsonl(directory / "corpus.jsonl", texts)
    run = in_process.run(directory, corpus, pipeline, shards, **settings)
    sample, target = directory / "sample.parquet", directory / "check.json"
    annotate_sample(run.texts, run.split.drawn, pipeline, sample, size)
    found = check_pipeline(sample, run.results.documents, run.results.entities, pipeline, target)
    assert read_json(target, PipelineCheck) == found
    return found


def test_a_pipeline_that_runs_whole_is_identical(plain: Path, tmp_path: Path) -> None:
    found = checked(tmp_path, prepared(spacy.load(plain), tmp_path), TEXTS)
    assert found == PipelineCheck(documents=60, chars=sum(map(len, TEXTS)), identical=60)
    assert describe_check(found).replace("\xa0", " ") == "60 sampled documents against the whole pipeline, 60 identical"


def test_a_component_that_reads_more_than_it_says_is_found_and_the_line_to_write_is_shown(
    plain: Path, tmp_path: Path
) -> None:
    nlp = spacy.load(plain)
    nlp.add_pipe("tests_tag_by_length", name="tags", first=True)
    nlp.add_pipe("tests_reads_more_than_it_says", name="nouns", last=True)
    pipeline = prepared(nlp, tmp_path)
    assert pipeline.left_out == ("tags",)
    with pytest.raises(VerifyError) as error:
        checked(tmp_path, pipeline, TEXTS)
    assert "write:   model: {components: [tags, sentencizer, ner, nouns]}" in str(error.value)
    assert "only the whole pipeline: " in str(error.value) and "Left out: tags." in str(error.value)
    assert not (tmp_path / "check.json").exists()


def test_a_component_that_remembers_earlier_texts_is_named_as_what_it_is(plain: Path, tmp_path: Path) -> None:
    nlp = spacy.load(plain)
    nlp.add_pipe("tests_keeps_every_other_entity", last=True)
    with pytest.raises(VerifyError, match="a component of the pipeline remembers earlier texts"):
        # stock spaCy annotates, which the audit passes over; and the sample is not all that came before
        checked(tmp_path, prepared(nlp, tmp_path), TEXTS, size=SampleSize(documents=20), ner={"engine": "spacy"})


def test_what_was_left_out_on_purpose_is_counted(plain: Path, tmp_path: Path) -> None:
    nlp = spacy.load(plain)
    nlp.replace_pipe("sentencizer", "tests_start_at_capitals")
    named = prepared(nlp, tmp_path, ["ner"])
    found = checked(tmp_path, named, TEXTS)
    assert found.left_out > 0 and found.identical + found.left_out == 60 and found.differing == found.left_out


def test_the_results_must_be_those_of_the_pipeline_that_ran(plain: Path, tmp_path: Path) -> None:
    pipeline = prepared(spacy.load(plain), tmp_path)
    run = in_process.run(tmp_path, write_jsonl(tmp_path / "corpus.jsonl", TEXTS), pipeline, 2)
    annotate_sample(run.texts, run.split.drawn, pipeline, tmp_path / "sample", ALL)
    pl.read_parquet(run.results.entities)[1:].write_parquet(run.results.entities)
    with pytest.raises(VerifyError, match=r"1\sdocument of 60 sampled has other entities[\s\S]*Please report it"):
        check_pipeline(tmp_path / "sample", run.results.documents, run.results.entities, pipeline, tmp_path / "check")


def test_a_document_that_was_rejected_though_the_whole_pipeline_annotates_it_is_an_error(
    plain: Path, tmp_path: Path
) -> None:
    pipeline = prepared(spacy.load(plain), tmp_path)
    run = in_process.run(tmp_path, write_jsonl(tmp_path / "corpus.jsonl", TEXTS), pipeline, 2)
    annotate_sample(run.texts, run.split.drawn, pipeline, tmp_path / "sample", ALL)
    pl.read_parquet(run.results.documents)[1:].write_parquet(run.results.documents)
    with pytest.raises(VerifyError, match="it was rejected"):
        check_pipeline(tmp_path / "sample", run.results.documents, run.results.entities, pipeline, tmp_path / "check")


def test_a_pipeline_that_fails_on_every_document_ends_the_run_early(plain: Path, tmp_path: Path) -> None:
    nlp = spacy.load(plain)
    nlp.add_pipe("tests_fails")
    with pytest.raises(VerifyError, match=r"fails on every one of 60 sampled documents, .*ValueError: not today"):
        checked(tmp_path, prepared(nlp, tmp_path), TEXTS)


def test_the_draw_is_the_same_with_any_sharding(plain: Path, tmp_path: Path) -> None:
    pipeline = prepared(spacy.load(plain), tmp_path)
    drawn = []
    for shards in (1, 3, 7):
        directory = tmp_path / str(shards)
        directory.mkdir()
        run = in_process.run(directory, write_jsonl(directory / "corpus.jsonl", TEXTS), pipeline, shards)
        size = SampleSize(documents=20, least_chars=1_500)
        drawn.append(choose_documents(run.texts, run.split.drawn, size).select("doc", "id").rows())
    assert drawn[0] == drawn[1] == drawn[2] and 2 < len(drawn[0]) <= 20


def test_of_a_long_document_the_beginning_is_compared(plain: Path, tmp_path: Path) -> None:
    long = " ".join(make_texts(200, seed=6))
    size = SampleSize(least_chars=10**6, excerpt_chars=2_000, margin_chars=200)
    pipeline = prepared(spacy.load(plain), tmp_path)
    found = checked(tmp_path, pipeline, [long, "", "Ada"], size=size, windows={"max_chars": 700})
    assert found.identical == found.documents == 3 and found.chars <= 2_000 + 3
    first = read_sample(tmp_path / "sample.parquet")[0]
    assert long.startswith(first.text) and first.relied_on == len(first.text) - 200


def test_an_empty_corpus_has_an_empty_sample(plain: Path, tmp_path: Path) -> None:
    found = checked(tmp_path, prepared(spacy.load(plain), tmp_path), [])
    assert found.documents == 0 and json.loads((tmp_path / "check.json").read_text())["identical"] == 0
