"""Entities in context, drawn at random."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl
from report_fixture import Run, Shape, build_run
from shardner.report.mentions import LONGEST, MENTIONS, Mention, draw_mentions


def draw(run: Run) -> tuple[Mention, ...]:
    return draw_mentions(run.results, run.texts, run.measure().labels)


def test_each_label_has_five_mentions_with_the_text_around_them(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    found = draw(run)
    assert Counter(each.label for each in found) == {
        label: MENTIONS for label in ("PERSON", "GPE", "ORG", "DATE", "MONEY", "WORK_OF_ART")
    }
    labels = [each.label for each in run.measure().labels]
    assert [each.label for each in found] == sorted((each.label for each in found), key=labels.index)
    texts = {row["doc"]: row["text"] for path in run.shard_paths for row in pl.read_parquet(path).iter_rows(named=True)}
    entities = set(
        pl.read_parquet(run.results / "entities.parquet")
        .select("doc", "id", "text", pl.col("label").cast(pl.String))
        .rows()
    )
    for each in found:
        assert (each.doc, each.id, each.text, each.label) in entities
        whole = each.before + each.text + each.after
        assert whole in texts[each.doc]
        assert 30 < len(each.before) <= 60 or texts[each.doc].startswith(whole)
        assert 30 < len(each.after) <= 60 or texts[each.doc].endswith(whole)
        at = texts[each.doc].index(whole)
        assert at == 0 or texts[each.doc][at - 1] == " "  # no half a word
        assert texts[each.doc][at + len(whole) :][:1] in ("", " ")


def test_the_draw_is_the_same_again_and_spread_over_the_corpus(tmp_path: Path) -> None:
    run = build_run(tmp_path, Shape(documents=400))
    found = draw(run)
    assert draw(run) == found
    docs = [each.doc for each in found]
    assert len(set(docs)) > len(docs) // 2 and min(docs) < 150 and max(docs) > 250


def test_a_long_entity_is_cut_and_a_shard_that_is_gone_has_no_mentions(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    path = run.results / "entities.parquet"
    table = pl.read_parquet(path)
    ends = pl.when(pl.col("start") == 0).then(pl.lit(400, table["end"].dtype)).otherwise("end")
    table.with_columns(ends.alias("end")).write_parquet(path)
    assert max(len(each.text) for each in draw(run)) <= LONGEST
    for each in run.shard_paths:
        each.unlink()
    assert draw(run) == ()


def test_no_entities_have_no_mentions(tmp_path: Path) -> None:
    assert draw(build_run(tmp_path, Shape(documents=0))) == ()
