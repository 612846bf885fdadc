"""What a pipeline says besides entities, in the tables of a run and in its DocBins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import spacy
from in_process import Run, run
from making import WORDS, make_pipeline, record_as_written, write_jsonl
from making_attributes import ATTRIBUTES, GROUPS, count_tokens, make_saying_pipeline, say_plainly
from shardner.data.tables import ENTITIES, SPANS, as_results
from shardner.errors import AnnotateError, MergeError
from shardner.model.components import Request
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.parse.pipeline_source import classify
from shardner.stages.docbin import Results, export_shard_docbin
from shardner.stages.export import export_documents_jsonl, export_entities_csv
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span


def make_text(words: int, seed: int) -> str:
    import random

    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words)) + " . Ada Lovelace left Analytical Engines Ltd. in London."


TEXTS = ["Ada Lovelace in London. Analytical Engines Ltd. in Zürich.", "", make_text(900, 1), " ", make_text(30, 2)]
TEXTS += [TEXTS[0], make_text(1500, 3)]


def prepare(directory: Path, **request: Any) -> Pipeline:
    wanted = Request(**{name: tuple(values) for name, values in request.items()})
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto", request=wanted)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("base") / "pipeline")


@pytest.fixture(scope="module")
def saying(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_saying_pipeline(base, tmp_path_factory.mktemp("saying") / "pipeline")


def annotate(directory: Path, pipeline: Path, texts: list[str], count: int = 2, **settings: Any) -> Run:
    output = settings.setdefault("output", {"attributes": ATTRIBUTES, "spans": GROUPS})
    prepared = prepare(pipeline, attributes=output.get("attributes", ()), spans=output.get("spans", ()))
    return run(directory, write_jsonl(directory / "corpus.jsonl", texts), prepared, count, **settings)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("max_chars", [500_000, 2_000])
@pytest.mark.parametrize("engine", ["auto", "spacy"])
def test_tables_say_what_one_process_says(
    tmp_path: Path, saying: Path, count: int, max_chars: int, engine: str
) -> None:
    done = annotate(tmp_path, saying, TEXTS, count, windows={"max_chars": max_chars}, ner={"engine": engine})
    entities, spans = pl.read_parquet(done.results.entities), pl.read_parquet(done.results.spans)
    expected_entities, expected_spans = say_plainly(saying, TEXTS)
    assert entities.columns == [*ENTITIES, *ATTRIBUTES]
    assert [entities.schema[name] for name in ATTRIBUTES] == [pl.String, pl.Float64, pl.Int64, pl.String, pl.String]
    assert entities.drop("id", "text").with_columns(pl.col("label").cast(pl.String)).to_dicts() == expected_entities
    assert {"Q84", "Q72"} <= set(entities["kb_id"]) and {"Q1", "Q7259"} <= set(entities["ent_id"])
    assert entities["sentence"].max() > 20
    assert spans.schema == as_results(SPANS) and spans.drop("id", "score").to_dicts() == expected_spans
    assert set(spans["group"]) == set(GROUPS) and spans["score"].null_count() == spans.height
    assert pl.read_parquet(done.results.documents)["tokens"].to_list() == count_tokens(saying, TEXTS)
    assert done.joins.documents == (0 if max_chars == 500_000 else 2)


def number_sentence(doc: Doc, entity: Span) -> int:
    return sum(each.start <= entity.start for each in doc.sents) - 1


@pytest.mark.parametrize("max_chars", [500_000, 1_000])
def test_the_fused_engine_numbers_sentences_without_documents(tmp_path: Path, base: Path, max_chars: int) -> None:
    output = {"attributes": ["sentence", "score", "ent_id"]}
    done = annotate(tmp_path, base, TEXTS, 3, windows={"max_chars": max_chars}, output=output)
    entities = pl.read_parquet(done.results.entities)
    expected = [
        (number, entity.start_char, number_sentence(doc, entity))
        for number, doc in enumerate(spacy.load(base).pipe(TEXTS))
        for entity in doc.ents
    ]
    assert entities.select("doc", "start", "sentence").rows() == expected and entities["sentence"].max() > 20
    assert entities["ent_id"].null_count() == entities.height and entities["score"].null_count() == 0
    assert entities.columns[-3:] == output["attributes"] and entities.schema["ent_id"] == pl.String
    assert done.joins.by_margins == 0 and bool(done.joins.joins) == (max_chars == 1_000)


@Language.component("tests_values", assigns=["span._.value"])
def set_values(doc: Doc) -> Doc:
    """Give the entities of a document the value that its first token names."""
    for entity in doc.ents:
        entity._.value = VALUES[doc[0].text]
    return doc


VALUES: dict[str, Any] = {
    "one": 1, "two": 2, "half": 0.5, "yes": True, "text": "i:5", "list": [1, "é"], "none": None, "huge": 1 << 70,
    "bytes": b"", "set": {1},
}  # fmt: skip


def values(directory: Path, base: Path, *names: str, name: str = "_.value") -> pl.Series:
    """Return the column of an extension whose values are those called `names`."""
    Span.set_extension("value", default=None, force=True)
    nlp = spacy.load(base)
    nlp.add_pipe("tests_values")
    nlp.to_disk(directory / "pipeline")
    texts = [f"{each} Ada Lovelace in London" for each in names]
    done = annotate(directory, directory / "pipeline", texts, output={"attributes": [name]})
    table = pl.read_parquet(done.results.entities)
    assert table["doc"].n_unique() == len(names)
    return table.unique("doc", keep="first", maintain_order=True)[name]


@pytest.mark.parametrize(
    ("names", "dtype", "expected"),
    [
        (["one", "none", "two"], pl.Int64, [1, None, 2]),
        (["one", "half"], pl.Float64, [1.0, 0.5]),
        (["yes", "none"], pl.Boolean, [True, None]),
        (["text", "none"], pl.String, ["i:5", None]),
        (["text", "one", "list", "yes"], pl.String, ["i:5", "1", '[1, "é"]', "true"]),
        (["one", "huge"], pl.String, ["1", str(1 << 70)]),
        (["none"], pl.String, [None]),
    ],
)
def test_a_columns_type_is_what_its_values_allow(
    tmp_path: Path, base: Path, names: list[str], dtype: type[pl.DataType], expected: list[object]
) -> None:
    column = values(tmp_path, base, *names)
    assert column.dtype == dtype and column.to_list() == expected


@pytest.mark.parametrize("name", ["bytes", "set"])
def test_a_value_that_is_no_json_ends_the_job_with_the_name_of_the_extension(
    tmp_path: Path, base: Path, name: str
) -> None:
    with pytest.raises(AnnotateError, match=rf"a value of '_\.value' is a {name} that cannot be written as JSON"):
        values(tmp_path, base, "one", name)


def test_an_extension_that_does_not_exist_ends_the_job_with_its_name(tmp_path: Path, base: Path) -> None:
    with pytest.raises(AnnotateError, match=r"there is no extension of spans '_\.nothing' \(there are: .*_\.value"):
        values(tmp_path, base, "one", name="_.nothing")


def test_no_entities_still_have_the_columns_asked_for(tmp_path: Path, saying: Path) -> None:
    done = annotate(tmp_path, saying, ["", " "])
    entities = pl.read_parquet(done.results.entities)
    assert entities.columns == [*ENTITIES, *ATTRIBUTES] and entities.schema["sentence"] == pl.Int64
    assert pl.read_parquet(done.results.spans).schema == as_results(SPANS)


@Language.component("tests_scored_spans", assigns=["doc.spans"])
def score_spans(doc: Doc) -> Doc:
    """Make a span group as a span categorizer does: in any order, overlapping, with scores."""
    spans = [Span(doc, i, j, label="X") for j in range(len(doc), 0, -1) for i in range(j)]
    doc.spans["sc"] = spans
    doc.spans["sc"].attrs["scores"] = [span.start + span.end / 100 for span in spans]
    return doc


def test_scores_of_a_span_group_stay_with_their_spans(tmp_path: Path, base: Path) -> None:
    nlp = spacy.load(base)
    nlp.add_pipe("tests_scored_spans")
    nlp.to_disk(tmp_path / "pipeline")
    done = annotate(tmp_path, tmp_path / "pipeline", ["a b c"], output={"spans": ["sc"]})
    rows = pl.read_parquet(done.results.spans).select("start", "end", "text", "score").rows()
    assert rows == [
        (0, 1, "a", 0.01), (0, 3, "a b", 0.02), (0, 5, "a b c", 0.03), (2, 3, "b", 1.02), (2, 5, "b c", 1.03),
        (4, 5, "c", 2.03),
    ]  # fmt: skip
    [doc] = read_docbins(tmp_path, done, tmp_path / "pipeline", spans=["sc"])
    assert [round(score, 2) for score in doc.spans["sc"].attrs["scores"]] == [0.01, 0.02, 0.03, 1.02, 1.03, 2.03]


def read_docbins(directory: Path, done: Run, pipeline: Path, **request: Any) -> list[Doc]:
    """Write the DocBins of a run, and return their documents."""
    results = Results(done.results.documents, done.results.entities, done.results.spans, tuple(request["spans"]))
    docs: list[Doc] = []
    vocab = spacy.load(pipeline).vocab
    for shard in range(len(done.shards)):
        target = directory / f"{shard}.spacy"
        export_shard_docbin(shard, done.texts, results, prepare(pipeline, **request), target)
        docs += DocBin().from_disk(target).get_docs(vocab)
    return docs


@pytest.mark.parametrize("max_chars", [500_000, 2_000])
def test_docbins_say_what_the_tables_say_with_the_tokens_of_the_pipeline(
    tmp_path: Path, saying: Path, max_chars: int
) -> None:
    done = annotate(tmp_path, saying, TEXTS, 2, windows={"max_chars": max_chars})
    docs = read_docbins(tmp_path, done, saying, attributes=ATTRIBUTES, spans=GROUPS)
    entities, spans = pl.read_parquet(done.results.entities), pl.read_parquet(done.results.spans)
    assert [
        (doc.user_data["doc"], each.start_char, each.end_char, each.label_, each.ent_id_ or None, each.kb_id_ or None)
        for doc in docs
        for each in doc.ents
    ] == entities.select("doc", "start", "end", pl.col("label").cast(pl.String), "ent_id", "kb_id").rows()
    assert [
        (doc.user_data["doc"], key, each.start_char, each.end_char, each.label_)
        for doc in docs
        for key in GROUPS
        for each in doc.spans[key]
    ] == spans.select("doc", "group", "start", "end", "label").rows()
    assert [[token.text for token in doc] for doc in docs] == [
        [token.text for token in doc] for doc in spacy.load(saying).pipe(TEXTS)
    ]


@Language.component("tests_merge_ada", assigns=["token.tag"])  # it does not say that it changes tokens
def merge_ada(doc: Doc) -> Doc:
    with doc.retokenize() as retokenizer:
        for i in range(len(doc) - 1):
            if doc[i : i + 2].text == "Ada Lovelace":
                retokenizer.merge(doc[i : i + 2])
    return doc


def test_a_docbin_has_the_tokens_of_a_component_that_does_not_say_that_it_changes_them(
    tmp_path: Path, base: Path
) -> None:
    nlp = spacy.load(base)
    nlp.add_pipe("tests_merge_ada", first=True)
    nlp.to_disk(tmp_path / "pipeline")
    prepared = prepare_pipeline(classify(str(tmp_path / "pipeline")), None, tmp_path / "unpacked", "all")
    done = run(tmp_path, write_jsonl(tmp_path / "c.jsonl", TEXTS[:3]), prepared, 1)
    target = tmp_path / "docs.spacy"
    export_shard_docbin(0, done.texts, Results(done.results.documents, done.results.entities), prepared, target)
    docs = list(DocBin().from_disk(target).get_docs(nlp.vocab))
    assert docs[0][0].text == "Ada Lovelace"
    assert [len(doc) for doc in docs] == pl.read_parquet(done.results.documents)["tokens"].to_list()
    assert [len(doc) for doc in docs] == count_tokens(tmp_path / "pipeline", TEXTS[:3])


@pytest.mark.parametrize("max_chars", [500_000, 2_000])
def test_an_extension_is_read_where_the_fused_engine_needs_no_documents(
    tmp_path: Path, base: Path, max_chars: int
) -> None:
    """A getter may look at anything: words' own attributes, the sentence. So documents are made."""
    Span.set_extension(
        "look", getter=lambda span: [span[0].is_title, span.sent.start_char < span.start_char], force=True
    )
    # the place of a sentence in its window is not its place in the document, but that it begins earlier is the same
    output = {"attributes": ["_.look", "sentence"]}
    done = annotate(tmp_path, base, TEXTS, 2, windows={"max_chars": max_chars}, output=output)
    expected = [
        (
            number,
            entity.start_char,
            json.dumps(entity._.look),
            sum(each.start <= entity.start for each in doc.sents) - 1,
        )
        for number, doc in enumerate(spacy.load(base).pipe(TEXTS))
        for entity in doc.ents
    ]
    assert pl.read_parquet(done.results.entities).select("doc", "start", "_.look", "sentence").rows() == expected


class DroppingTokenizer:
    """A tokenizer that leaves out double spaces, so its tokens do not add up to the text."""

    def __init__(self, vocab: Any) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        return Doc(self.vocab, text.split())

    def to_bytes(self, **given: Any) -> bytes:
        return b""

    def from_bytes(self, data: bytes, **given: Any) -> DroppingTokenizer:
        return self

    def to_disk(self, path: Path, **given: Any) -> None: ...

    def from_disk(self, path: Path, **given: Any) -> DroppingTokenizer:
        return self


@spacy.registry.tokenizers("tests_dropping_tokenizer")
def make_dropping_tokenizer() -> Any:
    return lambda nlp: DroppingTokenizer(nlp.vocab)


@Language.component("tests_another_doc")
def make_another_doc(doc: Doc) -> Doc:
    """Return another document where there are two spaces."""
    words = [token.text for token in doc if not token.is_space]
    return Doc(doc.vocab, words) if "  " in doc.text else doc


CHANGED = ["Ada works ", "Ada  works in London ", "London "]


@pytest.mark.parametrize("engine", ["auto", "spacy"])
@pytest.mark.parametrize("part", ["tokenizer", "component first", "component last"])
def test_a_document_whose_text_a_pipeline_changes_is_rejected_with_the_reason(
    tmp_path: Path, base: Path, part: str, engine: str
) -> None:
    nlp = spacy.load(base)
    if part == "tokenizer":
        nlp.tokenizer = DroppingTokenizer(nlp.vocab)
        nlp.config["nlp"]["tokenizer"] = {"@tokenizers": "tests_dropping_tokenizer"}
    else:
        nlp.add_pipe("tests_another_doc", **{part.split()[1]: True})
    nlp.to_disk(tmp_path / "pipeline")
    prepared = prepare_pipeline(classify(str(tmp_path / "pipeline")), None, tmp_path / "unpacked", "all")
    done = run(tmp_path, write_jsonl(tmp_path / "c.jsonl", CHANGED), prepared, 1, ner={"engine": engine})
    rejected = pl.read_parquet(done.results.rejected)
    assert rejected["row"].to_list() == [1]
    assert rejected["reason"].str.contains("gave a document whose text is not the input's: it differs from").all()
    assert pl.read_parquet(done.results.documents)["doc"].to_list() == [0, 2]


def test_a_long_document_is_refused_where_a_pipeline_must_see_whole_ones(tmp_path: Path, base: Path) -> None:
    pipeline = replace(prepare(base), whole_documents_only="the component 'x' looks at whole documents")
    corpus = write_jsonl(tmp_path / "corpus.jsonl", TEXTS)
    run(tmp_path, corpus, pipeline, 1)
    message = rf"'d6' of {len(TEXTS[6])} characters was cut .* but the component 'x' looks at whole documents; "
    with pytest.raises(AnnotateError, match=message + rf".*\n?.*windows: {{max_chars: {len(TEXTS[6])}}}"):
        run(tmp_path, corpus, pipeline, 1, windows={"max_chars": 2_000})


def test_merge_refuses_spans_that_are_missing_or_not_in_order(tmp_path: Path, saying: Path) -> None:
    done = annotate(tmp_path, saying, TEXTS[:2], 1)
    [files] = done.shards
    assert files.spans is not None
    table = pl.read_parquet(files.spans)
    request = Request(tuple(ATTRIBUTES), tuple(GROUPS))

    def merge(rows: pl.DataFrame) -> None:
        rows.write_parquet(files.spans)
        record_as_written(files)
        done.merge(request)

    merge(table)
    with pytest.raises(MergeError, match=rf"document 0 should have {table.height} spans, but has {table.height - 1}"):
        merge(table[1:])
    with pytest.raises(MergeError, match="its spans are not in corpus order"):
        merge(table.reverse())


def test_exports_carry_the_attributes(tmp_path: Path, saying: Path) -> None:
    done = annotate(tmp_path, saying, TEXTS)
    entities = pl.read_parquet(done.results.entities).with_columns(pl.col("label").cast(pl.String))
    export_entities_csv([done.results.entities], tmp_path / "entities.csv")
    assert pl.read_csv(tmp_path / "entities.csv", schema=entities.schema).equals(entities)
    tables = [done.results.documents], [done.results.entities]
    export_documents_jsonl(*tables, done.texts, tmp_path / "documents.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "documents.jsonl").read_text("utf-8").splitlines()]
    found = [{"doc": line["doc"], "id": line["id"], **each} for line in lines for each in line["entities"]]
    assert found == entities.to_dicts()
