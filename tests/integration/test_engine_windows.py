"""Long documents through split, annotate and merge, beside what one process makes of them uncut."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import spacy
from fake_gpus import card, settle, write_machine
from in_process import Run, annotate_here, run
from making import WORDS, annotate_plainly, entity_rows, make_pipeline, record_as_written, write_jsonl
from shardner.annotate import audit
from shardner.annotate.job import annotate_shard
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.annotate.surroundings import Surroundings
from shardner.config import parse_config
from shardner.data.job_files import read_job
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import shard_path
from shardner.engine.fused import FusedEngine
from shardner.engine.fused.document_pieces import Candidates, Piece
from shardner.errors import AnnotateError, MergeError
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify
from shardner.stages.docbin import Results, export_shard_docbin
from spacy.language import Language
from spacy.tokens import Doc, DocBin


@Language.component("tests_fail_on_oops")
def fail_on_oops(doc: Doc) -> Doc:
    if "oops" in doc.text:
        raise ValueError("oops")
    return doc


def prepare(directory: Path) -> Pipeline:
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    yield prepare(make_pipeline(tmp_path_factory.mktemp("model") / "pipeline"))


def make_text(words: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words))


TEXTS = ["Ada works", make_text(3000), "", make_text(5, 2), make_text(900, 3)]


def annotate_texts(
    directory: Path,
    pipeline: Pipeline,
    texts: list[str],
    count: int = 3,
    sizes: Sizes = DEFAULT_SIZES,
    **settings: Any,
) -> Run:
    return run(directory, write_jsonl(directory / "corpus.jsonl", texts), pipeline, count, sizes=sizes, **settings)


def test_windows_lie_in_several_shards_and_the_tables_are_of_whole_documents(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    done = annotate_texts(tmp_path, pipeline, TEXTS, windows={"max_chars": 1000})
    documents = pl.read_parquet(done.results.documents)
    assert entity_rows(done.results.entities) == annotate_plainly(Path(pipeline.location), TEXTS)
    assert documents["chars"].to_list() == [len(text) for text in TEXTS]
    nlp = spacy.load(pipeline.location)
    assert documents["tokens"].to_list() == [len(nlp.make_doc(text)) for text in TEXTS]
    windows_of = [
        pl.concat([pl.read_parquet(done.texts.path(shard)) for shard in range(3)]).filter(pl.col("doc") == doc)
        for doc in range(len(TEXTS))
    ]
    assert documents["windows"].to_list() == [table.height for table in windows_of]
    assert "".join(windows_of[1]["text"]) == TEXTS[1] and windows_of[1].height > 10
    assert len({info.long_windows for info in done.manifest.shards}) > 1 and documents["shard"][1] == 0
    assert (done.joins.documents, done.joins.by_margins, done.joins.unsure) == (2, 0, 0)
    assert done.joins.joins == sum(table.height - 1 for table in windows_of)


@pytest.mark.parametrize(("engine", "before"), [("spacy", ()), ("auto", ("tests_fail_on_oops",))])
def test_other_engines_join_between_entities(tmp_path: Path, engine: str, before: tuple[str, ...]) -> None:
    # with a component of one's own before the recogniser the encoder is spaCy's
    directory = make_pipeline(tmp_path / "pipeline", before=("sentencizer", *before))
    text = make_text(6000)
    done = annotate_texts(tmp_path, prepare(directory), [text], windows={"max_chars": 6000}, ner={"engine": engine})
    assert entity_rows(done.results.entities) == annotate_plainly(directory, [text])
    tokens = pl.read_parquet(done.results.documents)["tokens"].to_list()
    assert tokens == [len(spacy.load(directory).make_doc(text))]
    assert done.joins.by_margins == done.joins.joins > 0 and done.joins.unsure == 0


def test_a_job_with_another_engine_may_go_on_with_a_document(tmp_path: Path, pipeline: Pipeline) -> None:
    """Settings below `ner` make no shard run again, so a document may be of windows of both kinds."""
    text = make_text(6000)
    done = annotate_texts(tmp_path, pipeline, [text], windows={"max_chars": 6000})
    ner = parse_config({"ner": {"engine": "spacy"}}).ner
    part, path = done.split.planned[0].name, done.texts.path(1)
    annotate_shard(part, 1, path, pipeline, ner, threads=1, results=done.shards[1], annotate_blocks=annotate_here)
    joins = done.merge()
    assert entity_rows(done.results.entities) == annotate_plainly(Path(pipeline.location), [text])
    assert 0 < joins.by_margins <= joins.joins and joins.unsure == 0


def test_a_document_of_which_a_window_fails_is_rejected_once(tmp_path: Path) -> None:
    directory = make_pipeline(tmp_path / "pipeline")
    nlp = spacy.load(directory)
    nlp.add_pipe("tests_fail_on_oops")
    nlp.to_disk(directory)
    texts = ["Ada works", " ".join([make_text(300), "oops", make_text(300, 1), "oops", make_text(300, 2)]), "London"]
    pipeline = prepare_pipeline(classify(str(directory)), None, tmp_path / "unpacked", "all")
    done = annotate_texts(tmp_path, pipeline, texts, 4, windows={"max_chars": 300})
    rejected = pl.read_parquet(done.results.rejected)
    assert rejected.select("row", "reason").rows() == [(1, "the pipeline failed: ValueError: oops")]
    assert pl.read_parquet(done.results.documents)["doc"].to_list() == [0, 2]
    assert {row[0] for row in entity_rows(done.results.entities)} <= {0, 2}


def test_a_margin_grows_while_an_entity_goes_beyond_it(tmp_path: Path, pipeline: Pipeline) -> None:
    sizes = Sizes(left_margin_chars=4, right_margin_chars=4, piece_chars=100)
    done = annotate_texts(tmp_path, pipeline, TEXTS, windows={"max_chars": 200}, sizes=sizes)
    assert entity_rows(done.results.entities) == annotate_plainly(Path(pipeline.location), TEXTS)
    assert done.joins.unsure == 0


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes the characters of each piece of a long document that an engine is given."""
    found: list[int] = []
    plain = FusedEngine.find_candidates

    def find(self: FusedEngine, piece: Piece, watch: Stopwatch) -> Candidates:
        found.append(piece.end - piece.begin)
        return plain(self, piece, watch)

    monkeypatch.setattr(FusedEngine, "find_candidates", find)
    return found


@pytest.mark.parametrize(
    ("device", "tokens", "longest"),
    [
        ("cpu", "auto", (1 << 15, 1 << 15)),
        ("gpu", "auto", (1 << 18, 1 << 19)),
        ("gpu", 20_000, (80_000, 80_000)),
    ],
)
def test_a_gpu_is_given_long_pieces_of_a_long_document(
    device: str, tokens: str | int, longest: tuple[int, int], pieces: list[int], tmp_path: Path, pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    texts = [make_text(110_000, 6)]  # some 600,000 characters
    done = annotate_texts(
        tmp_path, pipeline, texts, 1, windows={"max_chars": 100_000}, ner={"device": device, "batch_tokens": tokens}
    )
    assert longest[0] <= max(pieces) <= longest[1]
    entities = entity_rows(done.results.entities)
    assert len(entities) > 1_000 and entities == expected_entities(pipeline)


@cache
def expected_entities(pipeline: Pipeline) -> list[Any]:
    return annotate_plainly(Path(pipeline.location), [make_text(110_000, 6)])


def test_a_margin_that_may_not_grow_is_counted(tmp_path: Path, pipeline: Pipeline) -> None:
    sizes = Sizes(left_margin_chars=4, right_margin_chars=4, largest_margin_chars=4)
    done = annotate_texts(tmp_path, pipeline, [make_text(200)], windows={"max_chars": 200}, sizes=sizes)
    assert done.joins.unsure > 0 and all(doc == 0 for doc, _ in done.joins.shown)
    assert sum(read_job(files.job).joins.unsure for files in done.shards) > 0


def test_every_window_of_a_sample_is_audited_and_a_window_of_each_shard(tmp_path: Path, pipeline: Pipeline) -> None:
    done = annotate_texts(tmp_path, pipeline, [make_text(3000)], windows={"max_chars": 500}, ner={"audit": 1e-12})
    totals = [read_job(files.job).totals for files in done.shards]
    assert [each.audited for each in totals] == [1, 1, 1] and all(each.identical == 1 for each in totals)
    (tmp_path / "all").mkdir()
    done = annotate_texts(tmp_path / "all", pipeline, [make_text(300)], windows={"max_chars": 500}, ner={"audit": 1})
    totals = [read_job(files.job).totals for files in done.shards]
    assert sum(each.audited for each in totals) == sum(each.windows for each in totals) > 3


def test_of_a_longer_document_the_beginning_is_audited(
    tmp_path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    annotate_one = audit.annotate_one
    monkeypatch.setattr(
        audit, "annotate_one", lambda nlp, text: (lengths.append(len(text)), annotate_one(nlp, text))[1]
    )
    texts = [make_text(20), make_text(400), make_text(600)]
    windows = {"max_chars": len(texts[1])}
    done = annotate_texts(tmp_path, pipeline, texts, 1, Sizes(excerpt_chars=700), windows=windows, ner={"audit": 1})
    totals = read_job(done.shards[0].job).totals
    assert totals.identical == totals.audited == len(lengths) == totals.windows > 3
    assert lengths[:2] == [len(texts[0]), 700] and max(lengths) == 700


def test_docbin_holds_a_long_document_whole_with_the_shard_in_which_it_begins(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    done = annotate_texts(tmp_path, pipeline, TEXTS, windows={"max_chars": 1000})
    found = []
    vocab = spacy.load(pipeline.location).vocab
    for shard in range(3):
        target = tmp_path / f"{shard}.spacy"
        export_shard_docbin(shard, done.texts, Results(done.results.documents, done.results.entities), pipeline, target)
        found += list(DocBin().from_disk(target).get_docs(vocab))
    assert [doc.text for doc in found] == TEXTS
    assert [doc.user_data["doc"] for doc in found] == list(range(len(TEXTS)))
    rows = [(n, e.start_char, e.end_char, e.text, e.label_) for n, doc in enumerate(found) for e in doc.ents]
    assert rows == entity_rows(done.results.entities)


def test_a_missing_window_is_an_error_that_says_what_to_do(tmp_path: Path, pipeline: Pipeline) -> None:
    shards = annotate_texts(tmp_path, pipeline, [make_text(600)], windows={"max_chars": 500}).texts.path(0).parent
    rows = pl.read_parquet(shard_path(shards, 1))
    text = Surroundings(shards, 1, 0, rows)
    assert len(text.read(0, rows["chars"][0])) == rows["chars"][0]
    rows.slice(1).write_parquet(shard_path(shards, 1))
    with pytest.raises(AnnotateError, match="is missing; remove"):
        Surroundings(shards, 0, 0, pl.read_parquet(shard_path(shards, 0))).read(0, rows["chars"][0])
    shard_path(shards, 0).unlink()
    with pytest.raises(AnnotateError, match="is missing; remove"):
        Surroundings(shards, 1, 0, rows).read(0, 10)


def test_further_columns_of_entities_are_kept_for_long_documents(tmp_path: Path, pipeline: Pipeline) -> None:
    done = annotate_texts(tmp_path, pipeline, TEXTS, windows={"max_chars": 1000})
    for files in done.shards:
        pl.read_parquet(files.entities).with_columns(place=pl.col("start") * 2).write_parquet(files.entities)
        record_as_written(files)
    done.merge()
    entities = pl.read_parquet(done.results.entities)
    assert entity_rows(done.results.entities) == annotate_plainly(Path(pipeline.location), TEXTS)
    assert entities["place"].equals(entities["start"] * 2, check_names=False)


def test_merge_refuses_a_missing_window(tmp_path: Path, pipeline: Pipeline) -> None:
    done = annotate_texts(tmp_path, pipeline, [make_text(600)], windows={"max_chars": 200})
    documents = pl.read_parquet(done.shards[1].documents)
    documents.filter(pl.col("window") != documents["window"][1]).write_parquet(done.shards[1].documents)
    record_as_written(done.shards[1])
    with pytest.raises(MergeError, match=r"shard .*/00001: .* windows are not the .* that it was given"):
        done.merge()


@pytest.mark.parametrize("name", ["corpus.txt", "corpus.txt.gz"])
def test_a_long_text_file_is_read_window_by_window(
    tmp_path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("shardner.corpus.text.WHOLE_BYTES", 1000)
    monkeypatch.setattr("shardner.corpus.streams.BUFFER_BYTES", 777)  # characters of several bytes lie across
    text = make_text(3000)
    raw = b"\xef\xbb\xbf" + text.encode()
    corpus = tmp_path / name
    corpus.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    settings = {"corpus": {"unit": "file", "id": None}, "windows": {"max_chars": 1000}}
    done = run(tmp_path, corpus, pipeline, 3, **settings)
    assert entity_rows(done.results.entities) == annotate_plainly(Path(pipeline.location), [text])
    assert pl.read_parquet(done.results.documents).select("id", "chars").rows() == [(f"{name}:0", len(text))]
    assert (done.manifest.documents, done.manifest.chars) == (1, len(text))
    # bad bytes far in: rejected once, with the place
    good = text[:5000].encode()
    bad, place = (good + b"\xff" + good, len(good)) if name == "corpus.txt" else (raw + b"\xe2\x82", len(raw) - 3)
    corpus.write_bytes(bad if name == "corpus.txt" else gzip.compress(bad))
    (tmp_path / "bad").mkdir()
    done = run(tmp_path / "bad", corpus, pipeline, 3, **settings)
    reasons = pl.read_parquet(done.results.rejected)["reason"].to_list()
    assert done.manifest.documents == 0 and reasons == [f"invalid UTF-8 at byte {place} of the record"]


@pytest.mark.parametrize("word", ["Ada Lovelace", "5km", ":-|", "Ltd"])
def test_windows_are_tokenized_as_the_document_with_any_rule(tmp_path: Path, pipeline: Pipeline, word: str) -> None:
    nlp = spacy.load(pipeline.location)
    nlp.tokenizer.add_special_case(word, [{"ORTH": word}])
    nlp.to_disk(tmp_path / "pipeline")
    text = "Ada Lovelace ran 5km, or 5 km, at Analytical Engines Ltd. in London :-| . " * 150
    done = annotate_texts(tmp_path, prepare(tmp_path / "pipeline"), [text], windows={"max_chars": 1000})
    assert entity_rows(done.results.entities) == annotate_plainly(tmp_path / "pipeline", [text])
