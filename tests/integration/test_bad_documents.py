"""A document that ends its worker, whatever it does to it, is found and rejected; all others are annotated."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import spacy
from making import LABELS, make_texts, ner_model, randomise, write_shard
from shardner.annotate import alone
from shardner.annotate.job import annotate_shard
from shardner.annotate.pace import FIRST_S, LEAST_S, Pace
from shardner.annotate.sizes import Sizes
from shardner.config import parse_config
from shardner.data.metrics import Job
from shardner.data.tables import ShardFiles
from shardner.errors import AnnotateError
from shardner.model.pipeline import Pipeline, prepare_pipeline
from shardner.model.user_code import import_code
from shardner.parse.pipeline_source import classify

#: What the component does on a document with the word that names it. `once` is the path of a file.
CODE = """
import os, signal, sys, time
import numpy
from pathlib import Path
from spacy.language import Language

def crash(): os.kill(os.getpid(), signal.SIGSEGV)
def leave(): os._exit(7)
def loop():
    while True: time.sleep(1)
def sys_exit(): sys.exit("enough")
def interrupt(): raise KeyboardInterrupt
def memory(): numpy.empty(1 << 60, dtype="uint8")
def killed_once():
    if not Path(os.environ["ONCE"]).exists():
        Path(os.environ["ONCE"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
def memory_once():
    if not Path(os.environ["ONCE"]).exists():
        Path(os.environ["ONCE"]).touch()
        raise MemoryError("not now")

@Language.component("does_harm")
def does_harm(doc):
    for word in doc:
        if word.text.startswith("harm_"):
            globals()[word.text[5:]]()
    return doc
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    directory = tmp_path_factory.mktemp("model")
    code = directory / "harm.py"
    code.write_text(CODE)
    import_code([str(code)])
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("does_harm")
    nlp.add_pipe("ner", config={"model": ner_model(width=32, depth=1)})
    for label in LABELS:
        nlp.get_pipe("ner").add_label(label)
    nlp.initialize()
    randomise(nlp.get_pipe("ner").model, 0)
    nlp.to_disk(directory / "pipeline")
    found = prepare_pipeline(classify(str(directory / "pipeline")), None, directory / "unpacked", "auto", code=[code])
    assert "does_harm" in found.components
    return found


def run(
    directory: Path, pipeline: Pipeline, texts: list[str], *, rejects: bool = True, **ner: object
) -> tuple[Job, ShardFiles]:
    windows = write_shard(directory / "windows.parquet", texts)
    names = ("entities.parquet", "documents.parquet", "rejected.parquet", "job.json")
    results = ShardFiles(*(directory / name for name in names))
    settings = parse_config({"ner": {"audit": 0, **ner}}).ner
    sizes = Sizes(block_chars=2_000, least_block_chars=2_000)
    job = annotate_shard(
        "part", 0, windows, pipeline, settings, threads=2, results=results, rejects=rejects, sizes=sizes
    )
    return job, results


def plain(directory: Path, pipeline: Pipeline, texts: list[str]) -> pl.DataFrame:
    directory.mkdir()
    return pl.read_parquet(run(directory, pipeline, texts)[1].entities)


TEXTS = make_texts(120, seed=21)


@pytest.mark.parametrize(
    ("harm", "reason", "engine"),
    [
        ("crash", "its worker died with SIGSEGV", "auto"),
        ("leave", "its worker ended with exit code 7", "spacy"),
        ("loop", "no result after 3 s", "auto"),
        ("sys_exit", "SystemExit: enough", "auto"),
        ("sys_exit", "SystemExit: enough", "spacy"),
        ("interrupt", "KeyboardInterrupt", "auto"),
        ("memory", "memory ran out", "auto"),
        ("memory", "memory ran out", "spacy"),
    ],
)
def test_the_document_is_rejected_with_the_reason_and_nothing_else_is(
    harm: str, reason: str, engine: str, pipeline: Pipeline, tmp_path: Path
) -> None:
    texts = [*TEXTS[:70], f"Jane met harm_{harm} in Paris.", *TEXTS[70:]]
    job, results = run(tmp_path, pipeline, texts, engine=engine, timeout_s=3 if harm == "loop" else "auto")
    rejected = pl.read_parquet(results.rejected)
    assert rejected["doc"].to_list() == [70] and reason in rejected["reason"][0], rejected["reason"]
    assert pl.read_parquet(results.documents)["doc"].to_list() == [doc for doc in range(121) if doc != 70]
    assert job.totals.rejected == 1 and job.totals.windows == 120
    whole = plain(tmp_path / "plain", pipeline, TEXTS)
    moved = whole.with_columns(pl.when(pl.col("doc") >= 70).then(pl.col("doc") + 1).otherwise("doc").alias("doc"))
    assert pl.read_parquet(results.entities).drop("id").equals(moved.drop("id"))


@pytest.mark.parametrize("harm", ["killed_once", "memory_once"])
def test_a_document_that_fails_once_is_annotated(
    harm: str, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where other processes took the memory."""
    monkeypatch.setenv("ONCE", str(tmp_path / "once"))
    texts = [*TEXTS[:10], f"Jane met harm_{harm} in Paris.", *TEXTS[10:]]
    _, results = run(tmp_path, pipeline, texts)
    assert (tmp_path / "once").exists()
    assert pl.read_parquet(results.rejected).is_empty()
    assert pl.read_parquet(results.documents).height == 121


def test_several_of_them_are_all_found(pipeline: Pipeline, tmp_path: Path) -> None:
    texts = list(TEXTS)
    bad = {5: "crash", 6: "memory", 60: "leave", 119: "sys_exit"}
    for place, harm in bad.items():
        texts[place] = f"harm_{harm}"
    _, results = run(tmp_path, pipeline, texts)
    assert pl.read_parquet(results.rejected)["doc"].to_list() == list(bad)


def test_a_window_of_a_long_document_is_found_as_well(pipeline: Pipeline, tmp_path: Path) -> None:
    """The merge rejects a document of which a window failed."""
    pieces = ["Jane went home. " * 20, "Jane met harm_crash there. ", "Then she left. " * 20]
    table = pl.read_parquet(write_shard(tmp_path / "one.parquet", pieces))
    starts = [0, len(pieces[0]), len(pieces[0] + pieces[1])]
    table = table.with_columns(
        doc=pl.lit(0, pl.UInt64), window=pl.Series([0, 1, 2], dtype=pl.UInt32), windows=pl.lit(3, pl.UInt32),
        start=pl.Series(starts, dtype=pl.UInt32), chars=pl.lit(sum(map(len, pieces)), pl.UInt32),
    )  # fmt: skip
    table.write_parquet(tmp_path / "00000.parquet")
    results = ShardFiles(*(tmp_path / f"{name}.out" for name in ("entities", "documents", "rejected", "job")))
    windows = tmp_path / "00000.parquet"
    annotate_shard("p", 0, windows, pipeline, parse_config({}).ner, threads=1, results=results)
    assert pl.read_parquet(results.rejected)["window"].to_list().count(1) == 1


def test_on_bad_record_fail_names_the_document(pipeline: Pipeline, tmp_path: Path) -> None:
    texts = [*TEXTS[:3], "harm_crash", *TEXTS[3:20]]
    with pytest.raises(AnnotateError, match=r"the document 'd3' .*SIGSEGV.*on_bad_record: reject"):
        run(tmp_path, pipeline, texts, rejects=False)
    assert not (tmp_path / "job.json").exists()


def test_a_pipeline_that_kills_every_worker_is_an_error(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "MOST_REJECTED", 3)
    with pytest.raises(AnnotateError, match="more than 3 documents ended their worker"):
        run(tmp_path, pipeline, ["harm_leave"] * 40)


def test_a_limit_follows_the_pace() -> None:
    pace = Pace(None)
    assert pace.limit_s() == FIRST_S
    pace.add({"load": 500.0, "recognise": 2.0})
    assert pace.limit_s() == LEAST_S and pace.limit_alone_s() == 60
    pace.add({"recognise": 40.0})
    assert pace.limit_s() == 2_000 and pace.limit_alone_s() == 200
    assert Pace(5).limit_s() == Pace(5).limit_alone_s() == 5
