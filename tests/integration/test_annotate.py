from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import spacy
from fake_gpus import card, settle, write_machine
from making import annotate_plainly, entity_rows, make_pipeline, make_texts, write_shard
from shardner.annotate.block_annotator import BlockAnnotator, LoadEngine, Result, Task
from shardner.annotate.blocks import Block, plan_blocks
from shardner.annotate.job import annotate_shard
from shardner.annotate.shard_tables import TableWriter, make_tables
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.config import EngineChoice, parse_config
from shardner.data.files import write_digests
from shardner.data.job_files import read_job
from shardner.data.metrics import Job
from shardner.data.tables import SHARD_ENTITIES, ShardFiles
from shardner.engine.annotations import Annotations, TextEntities
from shardner.engine.loading import load_engine
from shardner.errors import AnnotateError, DeviceError, ModelError
from shardner.model.pipeline import Pipeline, prepare_pipeline, unchanged
from shardner.parse.pipeline_source import classify
from shardner.terminal.job_progress import Progress, progress_of, progress_path, read_done

TEXTS = [*make_texts(30, seed=9), ""]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    directory = make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto")


def run(
    directory: Path,
    pipeline: Pipeline,
    texts: list[str],
    threads: int = 1,
    sizes: Sizes = DEFAULT_SIZES,
    **ner: object,
) -> tuple[Job, ShardFiles]:
    windows = write_shard(directory / "windows.parquet", texts, first_doc=100)
    names = ("entities.parquet", "documents.parquet", "rejected.parquet", "job.json")
    results = ShardFiles(*(directory / name for name in names))
    settings = parse_config({"ner": ner}).ner
    job = annotate_shard("part", 4, windows, pipeline, settings, threads=threads, results=results, sizes=sizes)
    return job, results


def test_workers_give_entities_documents_and_metrics_that_agree(pipeline: Pipeline, tmp_path: Path) -> None:
    sizes = Sizes(block_chars=500, least_block_chars=500, blocks_per_file=3)
    job, results = run(tmp_path, pipeline, TEXTS, threads=2, sizes=sizes)
    expected = annotate_plainly(Path(pipeline.location), TEXTS)
    assert entity_rows(results.entities) == [(doc + 100, *rest) for doc, *rest in expected]
    documents = pl.read_parquet(results.documents)
    assert documents["doc"].to_list() == list(range(100, 100 + len(TEXTS)))
    assert set(documents["shard"]) == {4} and documents["entities"].sum() == len(expected)
    nlp = spacy.blank("en")
    assert documents["tokens"].to_list() == [len(nlp(text)) for text in TEXTS]
    assert read_job(results.job) == job
    assert (job.totals.documents, job.totals.entities) == (len(TEXTS), len(expected))
    assert sum(job.totals.labels.values()) == len(expected)
    assert 1 <= len(job.workers) <= job.threads == 2  # the first may be done before the second has started
    assert {"start_up", "load", "tokenize", "encode", "decode"} <= set(job.totals.seconds)


def test_a_device_that_is_one_processs_alone_gets_one_worker(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0, mode=3)]), tmp_path / "leases")
    sizes = Sizes(block_chars=500, least_block_chars=500, blocks_per_file=3)
    job, results = run(tmp_path, pipeline, TEXTS, threads=2, sizes=sizes, device="gpu")
    assert job.device == "Fake H200" and len(job.workers) == job.threads == 1
    assert "1 worker instead of 2: the device's compute mode" in caplog.text
    assert [(doc - 100, *rest) for doc, *rest in entity_rows(results.entities)] == annotate_plainly(
        Path(pipeline.location), TEXTS
    )


def test_a_worker_that_met_many_words_loads_its_pipeline_again_without_a_difference(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    expected = annotate_blocks(task_of(pipeline, tmp_path))
    assert ["load" in record.totals.seconds for _, record in expected] == [True, False, False]
    again = annotate_blocks(task_of(pipeline, tmp_path, words_per_load=-1))
    assert all("load" in record.totals.seconds for _, record in again)
    assert ["start_up" in record.totals.seconds for _, record in again] == [True, False, False]
    assert len({record.ready_at_s for _, record in again}) == 1
    for (before, _), (after, _) in zip(expected, again, strict=True):
        assert before.entities.equals(after.entities) and before.documents.equals(after.documents)


def test_words_that_a_pipeline_brings_are_no_reason_to_load_it_again(pipeline: Pipeline, tmp_path: Path) -> None:
    nlp = spacy.load(pipeline.location)
    words = 1 + len({token.orth for text in TEXTS for token in nlp(text)})
    results = annotate_blocks(task_of(pipeline, tmp_path, words_per_load=words), load_with_words)
    assert ["load" in record.totals.seconds for _, record in results] == [True, False, False]


def task_of(pipeline: Pipeline, directory: Path, **sizes: int) -> Task:
    windows = write_shard(directory / "windows.parquet", TEXTS)
    return Task(
        "part", 0, windows, pipeline, EngineChoice.AUTO, None, None, started_at_s=time.time(), sizes=Sizes(**sizes)
    )


def annotate_blocks(task: Task, load: LoadEngine = load_engine) -> list[Result]:
    annotator = BlockAnnotator(task, load)
    return [annotator.annotate(Block(number, 10 * number, 10)) for number in range(3)]


def load_with_words(*given: Any, **settings: Any) -> Any:
    """Load a pipeline whose vocabulary then has 5,000 words more."""
    nlp, selected = load_engine(*given, **settings)
    for number in range(5_000):
        nlp.vocab[f"word{number}"]
    return nlp, selected


def test_further_columns_of_entities_come_into_the_table(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "windows.parquet", ["Ada", "Bob", ""])
    windows = pl.read_parquet(path)
    scores = [{"score": np.array([score])} for score in (0.5, 0.25)]
    found = Annotations.from_columns([TextEntities(1, [0], [3], ["PERSON"], each) for each in scores])
    results = ShardFiles(*(tmp_path / name for name in ("entities", "documents", "rejected", "job")))
    writer = TableWriter(path, tmp_path, blocks_per_file=2)
    for row, text in enumerate(["Ada", "Bob"]):
        writer.add(make_tables(windows[row], found.take(np.array([row])), [text], 0))
    writer.add(make_tables(windows[2], Annotations.empty(1), [], 0))  # without the column: nothing was annotated
    writer.write(results)
    entities = pl.read_parquet(results.entities)
    assert entities.columns == [*SHARD_ENTITIES, "score"] and entities["score"].to_list() == [0.5, 0.25]
    assert entities["text"].to_list() == ["Ada", "Bob"] and pl.read_parquet(results.documents).height == 3


def test_an_empty_shard_starts_no_worker(pipeline: Pipeline, tmp_path: Path) -> None:
    job, results = run(tmp_path, pipeline, [])
    assert job.workers == () and pl.read_parquet(results.entities).height == 0


def test_documents_that_fail_become_rejected_records(pipeline: Pipeline, tmp_path: Path) -> None:
    nlp = spacy.load(pipeline.location)
    nlp.add_pipe("entity_linker")
    nlp.to_disk(tmp_path / "broken")
    broken = prepare_pipeline(classify(str(tmp_path / "broken")), None, tmp_path / "unpacked", "all")
    job, results = run(tmp_path, broken, ["Ada\tin <London>", "😀"])
    rejected = pl.read_parquet(results.rejected)
    assert rejected["doc"].to_list() == [100, 101] and job.totals.rejected == 2
    assert rejected["reason"].str.starts_with("the pipeline failed: ").all()
    assert rejected["raw"].to_list() == ["Ada\\tin <London>", "\\xf0\\x9f\\x98\\x80"]


def test_a_pipeline_that_has_gone_or_changed_is_a_clear_error(pipeline: Pipeline, tmp_path: Path) -> None:
    gone = replace(pipeline, location=str(tmp_path / "gone"))
    with pytest.raises(ModelError, match="has gone"):
        run(tmp_path, gone, TEXTS)
    with pytest.raises(ModelError, match="changed since the run began"):
        run(tmp_path, replace(pipeline, sha256="0" * 64), TEXTS)
    assert not (tmp_path / "job.json").exists()


def test_a_pipeline_that_changes_while_it_annotates_is_an_error(pipeline: Pipeline, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pipeline.location, copy)
    with (
        pytest.raises(ModelError, match="changed since the run began"),
        unchanged(replace(pipeline, location=str(copy))),
    ):
        (copy / "meta.json").write_bytes((copy / "meta.json").read_bytes() + b" ")
    with unchanged(pipeline):
        pass


def test_a_gpu_that_cannot_be_used_is_a_clear_error(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"ner: \{device: auto\}"):
        run(tmp_path, pipeline, TEXTS, device="gpu")


def test_a_shard_that_has_gone_is_a_clear_error(pipeline: Pipeline, tmp_path: Path) -> None:
    files = ShardFiles(*(tmp_path / name for name in "edrj"))
    with pytest.raises(AnnotateError, match=r"00004\.parquet is gone; remove .* and run again"):
        annotate_shard("part", 4, tmp_path / "00004.parquet", pipeline, parse_config({}).ner, threads=1, results=files)


def test_texts_that_changed_on_the_disk_are_a_clear_error(pipeline: Pipeline, tmp_path: Path) -> None:
    windows = write_shard(tmp_path / "windows.parquet", TEXTS)
    results = ShardFiles(*(tmp_path / name for name in ("e.parquet", "d.parquet", "r.parquet", "job.json")))
    write_digests(tmp_path, [windows.name])
    ner = parse_config({}).ner
    annotate_shard("part", 0, windows, pipeline, ner, threads=1, results=results)
    content = windows.read_bytes()
    windows.write_bytes(content[:500] + bytes([content[500] ^ 4]) + content[501:])
    with pytest.raises(AnnotateError, match=f"shard part/00000: its texts are damaged; remove {tmp_path}"):
        annotate_shard("part", 0, windows, pipeline, ner, threads=1, results=results)
    windows.write_bytes(content)
    (tmp_path / "digests.json").write_text("[")
    with pytest.raises(AnnotateError, match="its texts are damaged"):
        annotate_shard("part", 0, windows, pipeline, ner, threads=1, results=results)


def test_blocks_cover_a_shard_in_order_and_hold_bounded_text(tmp_path: Path) -> None:
    texts = ["x" * size for size in (0, 10, 5, 30, 1, 1, 0, 99, 0)]
    blocks = plan_blocks(write_shard(tmp_path / "w.parquet", texts), sizes=Sizes(block_chars=15))
    assert [(block.first, block.rows) for block in blocks] == [(0, 3), (3, 1), (4, 3), (7, 1), (8, 1)]


def test_a_small_shard_has_blocks_for_all_workers(tmp_path: Path) -> None:
    windows = write_shard(tmp_path / "w.parquet", ["x" * 4096] * 100)
    assert len(plan_blocks(windows)) == 1
    blocks = plan_blocks(windows, workers=4)
    assert len(blocks) == 13 and sum(block.rows for block in blocks) == 100


def test_progress_shows_share_rate_and_time_left() -> None:
    progress = Progress(400, "documents", Path("none"))
    progress.advance(100, chars=30_000, tokens=6_000)
    line = progress.line(elapsed_s=30)
    assert "25%" in line and "100/400 documents" in line and "200 tokens/s" in line and "0:01:30 left" in line


def test_a_file_says_how_far_a_job_is_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardner.terminal.job_progress.FILE_INTERVAL_S", 0.0)
    record = tmp_path / "00004.json"
    with pytest.raises(RuntimeError), progress_of(9, "documents", record) as progress:
        for number in (1, 2):
            progress.advance(1, chars=500, tokens=100)
            done = read_done(progress_path(record))
            assert done is not None and (done.chars, done.tokens) == (500 * number, 100 * number)
        raise RuntimeError
    assert not list(tmp_path.iterdir()) and read_done(progress_path(record)) is None


def test_a_job_goes_on_where_the_file_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardner.terminal.job_progress.FILE_INTERVAL_S", 0.0)
    (tmp_path / "file").touch()
    with progress_of(9, "documents", tmp_path / "file" / "00004.json") as progress:
        progress.advance(1, chars=500, tokens=100)
