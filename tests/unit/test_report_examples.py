from __future__ import annotations

from pathlib import Path

import polars as pl
from report_fixture import Run, Shape, build_run
from shardner.data.manifest import Manifest, PartNumbers, ShardInfo, StretchNumbers
from shardner.data.tables import DOCUMENTS, ENTITIES, WINDOWS
from shardner.report.examples import Example, choose_examples
from shardner.stages.document_rows import CorpusTexts
from shardner.stages.part_numbering import DUPLICATES


def text_of(example: Example) -> str:
    return "".join(piece.text for piece in example.pieces)


def choose(run: Run) -> tuple[Example, ...]:
    return choose_examples(run.results, run.texts)


def test_examples_are_few_short_and_show_every_label(tmp_path: Path) -> None:
    examples = choose(build_run(tmp_path))
    assert 3 <= len(examples) <= 6
    assert all(len(text_of(example)) <= 600 for example in examples)
    labels = {piece.label for example in examples for piece in example.pieces if piece.label}
    assert labels == {"PERSON", "GPE", "ORG", "DATE", "MONEY", "WORK_OF_ART"}


def test_marked_pieces_are_the_entities_and_the_rest_is_the_text(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    texts = {row["doc"]: row["text"] for path in run.shard_paths for row in pl.read_parquet(path).iter_rows(named=True)}
    entities = pl.read_parquet(run.results / "entities.parquet")
    for example in choose(run):
        at = texts[example.doc].index(text_of(example))
        assert example.cut_before == (at > 0)
        assert example.cut_after == (at + len(text_of(example)) < len(texts[example.doc]))
        known = set(entities.filter(doc=example.doc).select("start", "end", pl.col("label").cast(pl.String)).rows())
        for piece in example.pieces:
            if piece.label:
                assert (at, at + len(piece.text), piece.label) in known
            at += len(piece.text)


def test_shards_that_are_gone_give_no_example(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    for path in run.shard_paths:
        path.unlink()
    assert choose(run) == ()


def test_documents_without_entities_are_shown_unmarked(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    entities = run.results / "entities.parquet"
    pl.read_parquet(entities).clear().write_parquet(entities)
    examples = choose(run)
    assert [example.doc for example in examples] == [0, 1, 2]
    assert all(piece.label is None for example in examples for piece in example.pieces)


def test_an_empty_corpus_has_no_example(tmp_path: Path) -> None:
    assert choose(build_run(tmp_path, Shape(documents=0, shards=1, rejected=0))) == ()


def write_long(directory: Path, entities: list[tuple[int, int]], windows: list[tuple[int, str]]) -> Run:
    """Write a run of one long document, its windows spread over shards of one each."""
    chars = max(start + len(text) for start, text in windows)
    place = {"doc": 0, "id": "long", "file": "novel.txt", "row": 0}
    rows = [{**place, "start": start, "end": end, "text": "x", "label": "X"} for start, end in entities]
    pl.DataFrame(rows, schema=ENTITIES).write_parquet(directory / "entities.parquet")
    document = {**place, "chars": chars, "tokens": 1, "entities": len(rows), "windows": len(windows), "shard": 0}
    pl.DataFrame([document], schema=DOCUMENTS).write_parquet(directory / "documents.parquet")
    shards = tuple(ShardInfo(number, 1 - bool(number), 1, len(text), 0) for number, (_, text) in enumerate(windows))
    part = PartNumbers("part", 0, len(shards), (StretchNumbers(0, 0, 1, 0, 0, None),), 0)
    manifest = Manifest((), (part,), shards, 1, 0, chars, {})
    texts = CorpusTexts(directory, manifest, directory / "duplicates.parquet")
    pl.DataFrame(schema=DUPLICATES).write_parquet(texts.duplicates)
    (directory / "part").mkdir()
    for number, (start, text) in enumerate(windows):
        row = {**place, "window": number, "windows": len(windows), "start": start, "chars": chars, "text": text}
        pl.DataFrame([row], schema=WINDOWS).write_parquet(texts.path(number))
    return Run([], manifest, directory, texts)


def test_an_excerpt_from_the_middle_is_cut_at_words_and_keeps_offsets(tmp_path: Path) -> None:
    text = "alpha beta gamma " * 500
    start = text.index("beta", 4000)
    (example,) = choose(write_long(tmp_path, [(start, start + 4)], [(0, text)]))
    (marked,) = [piece.text for piece in example.pieces if piece.label]
    assert marked == "beta"
    assert example.cut_before and example.cut_after
    assert {word for word in text_of(example).split(" ") if word} == {"alpha", "beta", "gamma"}


def test_an_excerpt_is_found_in_whichever_shard_holds_it(tmp_path: Path) -> None:
    first, second = "one two " * 100, "three four " * 100
    start = len(first) + second.index("four", 300)
    run = write_long(tmp_path, [(start, start + 4)], [(0, first), (len(first), second)])
    (example,) = choose(run)
    assert [piece.text for piece in example.pieces if piece.label] == ["four"]
    assert {word for word in text_of(example).split(" ") if word} == {"three", "four"}


def test_an_entity_longer_than_the_excerpt_is_marked_as_far_as_it_goes(tmp_path: Path) -> None:
    (example,) = choose(write_long(tmp_path, [(0, 3000)], [(0, "word " * 600)]))
    assert [piece.label for piece in example.pieces] == ["X"]
    assert len(text_of(example)) <= 600
