"""A device's memory is planned, and a batch that does not fit all the same is halved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import spacy
from fake_gpus import GIB, card, settle, write_machine
from making import ROOT, make_pipeline, make_texts, ner_model, randomise
from shardner.annotate.long_documents import annotate_windows
from shardner.annotate.sizes import Sizes
from shardner.annotate.surroundings import Surroundings
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Annotations
from shardner.engine.fused import FusedEngine, embed
from shardner.engine.fused.decode import SPECULATIVE_STEPS
from shardner.engine.loading import load_engine
from shardner.engine.stock import StockEngine
from shardner.errors import DeviceError
from shardner.gpu.halving import in_halves, is_out_of_memory
from shardner.gpu.memory import CONTEXT_BYTES, LEAST_TOKENS, MOST_TOKENS, Share, fit_batch, fit_table, share_out, weigh
from shardner.model.pipeline import Pipeline, pipeline_bytes, prepare_pipeline
from shardner.parse.pipeline_source import classify

TEXTS = make_texts(120, seed=4)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    directory = make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")
    return prepare_pipeline(classify(str(directory)), None, directory.parent / "unpacked", "auto")


@pytest.fixture
def cupy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    settle(monkeypatch, write_machine(tmp_path / "machine.json", [card(0)]), tmp_path / "leases")
    import cupy

    return cupy


def columns(found: Annotations) -> tuple[Any, ...]:
    return found.tokens.tolist(), found.offsets.tolist(), found.starts.tolist(), found.ends.tolist(), list(found.labels)


def test_workers_share_what_is_free() -> None:
    workers, share = share_out(
        free_bytes=100 * GIB, total_bytes=139 * GIB, model_bytes=12 << 20, workers=16, may_lower=False
    )
    assert workers == 16 and share.limit_bytes == 90 * GIB // 16 - CONTEXT_BYTES


def test_workers_that_do_not_fit_are_an_error_with_figures() -> None:
    given: dict[str, Any] = {"total_bytes": 8 * GIB, "model_bytes": 500 << 20, "workers": 8}
    with pytest.raises(DeviceError, match=r"8 workers need 11,\d+ MiB .* 500 MiB for the pipeline.*threads: 4\}"):
        share_out(free_bytes=7 * GIB, may_lower=False, **given)
    assert share_out(free_bytes=7 * GIB, may_lower=True, **given)[0] == 4
    with pytest.raises(DeviceError, match=r"922 MiB of 8,192 MiB can be used; free some .*device: cpu"):
        share_out(free_bytes=1 * GIB, may_lower=True, **given)


def test_a_batch_is_as_large_as_the_share_allows(pipeline: Pipeline) -> None:
    weights, token_bytes = weigh([pipe.model for _, pipe in spacy.load(pipeline.location).pipeline if pipe_has(pipe)])
    assert 0 < weights < pipeline_bytes(pipeline) and token_bytes is not None and token_bytes > 4 * 32 * 10
    large, small = Share(100 * GIB, 139 * GIB), Share(280 << 20, 139 * GIB)
    assert fit_batch(weights, token_bytes, large) == MOST_TOKENS
    assert LEAST_TOKENS <= fit_batch(weights, token_bytes, small) < MOST_TOKENS
    assert fit_batch(weights, token_bytes, Share(1, 139 * GIB)) == LEAST_TOKENS


@pytest.mark.parametrize(
    ("limit", "table"), [(0, 512 << 20), (100 * GIB, 512 << 20), (GIB, GIB // 8), (1 << 20, 64 << 20)]
)
def test_the_table_of_embeddings_takes_a_part_of_the_share(
    limit: int, table: int, pipeline: Pipeline, cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fit_table(limit) == table
    cupy.get_default_memory_pool().set_limit(size=limit)
    engine: Any = FusedEngine(spacy.load(pipeline.location), 1_000_000, cupy)
    made = engine._encoder._embedding
    bytes_ = made.embedded.nbytes + sum(each.nbytes for each in made.projected)
    assert table - 4_096 < bytes_ <= table


def pipe_has(pipe: Any) -> bool:
    return hasattr(pipe, "model")


def test_the_pipeline_stays_on_the_cpu_where_the_fused_engine_computes_all(pipeline: Pipeline, cupy: Any) -> None:
    share = Share(10 * GIB, 139 * GIB)
    nlp, selected = load_engine(pipeline, EngineChoice.AUTO, None, share)
    _, on_cpu = load_engine(pipeline, EngineChoice.AUTO, None, None)
    assert nlp.get_pipe("ner").model.ops.name == "numpy" and selected.name is EngineChoice.FUSED
    assert cupy.get_default_memory_pool().limit == 10 * GIB
    found = selected.engine.annotate(TEXTS, Stopwatch())
    assert columns(found) == columns(on_cpu.engine.annotate(TEXTS, Stopwatch())) and len(found.labels) > 100
    assert Path(os.environ["SHARDNER_LEASES"], "kernels.lock").exists()  # its kernels were compiled by one worker


@pytest.mark.parametrize("copies", [1, 3])
def test_a_batch_takes_few_uploads_waits_and_launches(copies: int, pipeline: Pipeline, cupy: Any) -> None:
    tally, texts = cupy.cuda.tally, TEXTS * copies
    engine = FusedEngine(spacy.load(pipeline.location), 1_000_000, cupy)
    engine.annotate(texts, Stopwatch())  # the words' embeddings and the constants go up
    tally.clear()
    tokens = int(engine.annotate(texts, Stopwatch()).tokens.sum())
    # rows, which of them are tokens, and two masks; nothing else, however small
    assert len(tally.uploads) == 4 and min(tally.uploads) == tokens
    assert [len(set(tally.downloads[:3])), tally.downloads[0] > 100] == [1, True]  # starts, ends and labels
    long = len(tally.downloads) - 3  # entities that go on after the speculative steps: each is followed by itself
    # how many words may begin an entity and how many of those are B; what comes down
    assert tally.waits <= 2 + 3 + 2 * long
    blocks = -(
        -tally.downloads[0] * SPECULATIVE_STEPS // tokens
    )  # of states; here most entities may have several words
    assert tally.launches <= 80 + 40 * blocks + 32 * long
    # candidates were once extended step by step, with 44 launches and five waits each
    assert 5 * (tally.launches - 32 * long - 40 * (blocks - 1)) <= 841 and 5 * (tally.waits - 2 * long) <= 87


def test_a_block_is_encoded_in_few_launches_and_without_a_wait(cupy: Any) -> None:
    """In a network as deep as that of spaCy's small pipelines, which once took 49 launches and 11 products."""
    nlp = spacy.blank("en")
    nlp.add_pipe("ner", config={"model": ner_model(width=96, depth=4)}).add_label("PERSON")
    nlp.initialize()
    randomise(nlp.get_pipe("ner").model, 0)
    engine, tally = FusedEngine(nlp, 1_000_000, cupy), cupy.cuda.tally
    encoder: Any = engine._encoder
    engine.annotate(TEXTS, Stopwatch())
    blocks = []

    def encode(*block: Any) -> Any:
        tally.clear()
        found = inner(*block)
        blocks.append((tally.launches, tally.waits))
        return found

    inner, encoder._encode_block = encoder._encode_block, encode
    engine.annotate(TEXTS, Stopwatch())
    [(launches, waits)] = blocks
    assert waits == 0 and launches <= 24, launches


def test_scores_on_a_device_are_those_of_the_cpu(pipeline: Pipeline, cupy: Any) -> None:
    nlp = spacy.load(pipeline.location)
    on_device, on_cpu = (
        FusedEngine(nlp, 3_000, xp, attributes=["score"]).annotate(TEXTS, Stopwatch()) for xp in (cupy, None)
    )
    assert columns(on_device) == columns(on_cpu)
    ours, theirs = (found.attributes["score"] for found in (on_device, on_cpu))
    assert len(ours) > 100 and ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(
    ("allocation", "said"), [(1, "CuPy cannot use the job's GPU: OutOfMemoryError"), (9, "the pipeline does not fit")]
)
def test_a_device_that_refuses_a_workers_first_allocations_is_a_clear_error(
    allocation: int, said: str, pipeline: Pipeline, cupy: Any
) -> None:
    cupy.cuda.tally.clear()
    cupy.cuda.tally.fail_at = allocation
    with pytest.raises(DeviceError, match=said):
        load_engine(pipeline, EngineChoice.AUTO, None, Share(GIB, GIB))


def test_a_gpu_that_spacy_cannot_use_is_a_clear_error(pipeline: Pipeline, cupy: Any) -> None:
    with pytest.raises(DeviceError, match="spaCy cannot use the job's GPU: ValueError"):
        load_engine(pipeline, EngineChoice.SPACY, None, Share(GIB, GIB))


@pytest.mark.parametrize("failing", [1, 3, 4])
@pytest.mark.parametrize("path", ["fused", "fused with documents", "stock"])
def test_a_batch_that_does_not_fit_is_halved_and_nothing_else_changes(
    path: str, failing: int, pipeline: Pipeline, cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = spacy.load(pipeline.location)
    kind: type[Any] = StockEngine if path == "stock" else FusedEngine
    expected = columns(kind(nlp, 400).annotate(TEXTS, Stopwatch()))
    engine = kind(nlp, 400)
    name = "_annotate_tokens" if path == "fused" else "_annotate_docs"
    if path == "fused with documents":  # as where other components need them
        monkeypatch.setattr(engine, "_chunks", None)
    plain, sizes = getattr(engine, name), []

    def annotate(*given: Any, **named: Any) -> Any:
        sizes.append(len(given[0].lengths if path == "fused" else given[1]))
        result = plain(*given, **named)
        if len(sizes) == failing:  # at the end, when documents have been changed
            raise cupy.cuda.memory.OutOfMemoryError("Out of memory allocating 1 bytes")
        return result

    monkeypatch.setattr(engine, name, annotate)
    freed = cupy.get_default_memory_pool().freed
    assert columns(engine.annotate(TEXTS, Stopwatch())) == expected
    halves = sizes[failing : failing + 2]
    assert sum(halves) == sizes[failing - 1] and abs(halves[0] - halves[1]) <= 1
    assert max(sizes[failing + 2 :]) < max(sizes[:failing])  # later batches are smaller, too
    assert cupy.get_default_memory_pool().freed == freed + 1


def test_whichever_allocation_fails_the_entities_are_those_of_the_cpu(
    pipeline: Pipeline, cupy: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Some fail while the table of embeddings is made anew, and then the first half has no word that is new."""
    texts, tally = [*TEXTS[:6] * 5, *TEXTS[6:36]], cupy.cuda.tally
    expected = columns(FusedEngine(spacy.load(pipeline.location)).annotate(texts, Stopwatch()))
    nlp = spacy.load(pipeline.location)
    monkeypatch.setattr(embed, "fit_table", lambda limit_bytes: 20_000)
    for number in range(1, 40):
        engine = FusedEngine(nlp, 1_000_000, cupy)
        engine.annotate(texts[:6], Stopwatch())
        tally.clear()
        tally.fail_at = number
        assert columns(engine.annotate(texts, Stopwatch())) == expected, f"allocation {number}"
        assert tally.allocations > number
        assert columns(engine.annotate(texts, Stopwatch())) == expected, f"after allocation {number}"
    assert "do not fit" in caplog.text and "one by one" not in caplog.text  # stock spaCy would hide a wrong vector


def test_rows_of_words_that_could_not_be_embedded_stay_free(
    pipeline: Pipeline, cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FusedEngine(spacy.load(pipeline.location), 1_000_000, cupy)
    engine.annotate(TEXTS[:2], Stopwatch())
    table = engine._encoder._embedding
    free, known = len(table._free), len(table)
    for number in (1, 2, 3):
        cupy.cuda.tally.clear()
        cupy.cuda.tally.fail_at = number
        with pytest.raises(cupy.cuda.memory.OutOfMemoryError):
            engine._annotate_tokens(engine._chunks.read(TEXTS[2:4]), Stopwatch())
        assert len(table._free) + len(table) == free + known


def test_a_single_window_that_does_not_fit_is_an_error_that_says_what_to_set() -> None:
    def work(items: list[int]) -> int:
        if 3 in items:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return sum(items)

    assert in_halves(work, [1, 2], renew=list) == [3]
    with pytest.raises(DeviceError, match=r"a single window .*Tried to allocate 2\.00 GiB.*ner: \{threads: 1\}"):
        in_halves(work, [1, 2, 3, 4], renew=list)


def test_a_piece_of_a_long_document_that_does_not_fit_is_halved(
    pipeline: Pipeline, cupy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    text = " ".join(TEXTS) * 4
    windows = pl.DataFrame({"doc": [0], "start": [0], "chars": [len(text)], "text": [text]})

    def annotate(engine: FusedEngine) -> tuple[Any, ...]:
        surroundings = Surroundings(Path(), 0, 0, windows)  # nothing is read: the window is the document
        sizes = Sizes(piece_chars=1 << 12, least_piece_chars=1 << 10)
        return columns(annotate_windows(engine, windows, surroundings, Stopwatch(), sizes).found)

    expected = annotate(FusedEngine(spacy.load(pipeline.location)))
    for number in (1, 5, 60):
        engine = FusedEngine(spacy.load(pipeline.location), 10_000, cupy)
        before = engine.batch_chars
        cupy.cuda.tally.clear()
        cupy.cuda.tally.fail_at = number
        assert annotate(engine) == expected
        assert engine.batch_chars == before // 2  # later documents begin with smaller pieces
    assert caplog.text.count("40000 characters do not fit the device's memory") == 3


def test_where_cupy_takes_its_memory_from_torch_that_pool_is_freed_too(pipeline: Pipeline, cupy: Any) -> None:
    class OutOfMemoryError(RuntimeError):
        """Torch's, which is none of CuPy's and no MemoryError."""

    failed = []

    def allocate(size: int) -> None:
        if not failed:
            failed.append(size)
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    engine = FusedEngine(spacy.load(pipeline.location), 1_000_000, cupy)
    pool, own = cupy.cuda.MemoryPool(allocator=allocate), cupy.get_default_memory_pool()
    cupy.cuda.set_allocator(pool.malloc)  # as thinc does with a pool that it keeps for itself
    found = columns(engine.annotate(TEXTS, Stopwatch()))
    assert failed and (pool.freed, own.freed) == (1, 1)
    assert found == columns(FusedEngine(spacy.load(pipeline.location)).annotate(TEXTS, Stopwatch()))


@pytest.mark.parametrize(
    "message",
    [
        "cudaErrorMemoryAllocation: out of memory",
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "CUBLAS_STATUS_NOT_INITIALIZED",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    ],
)
def test_the_libraries_have_many_words_for_it(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message))


def test_only_the_devices_memory_counts_as_out_of_memory(cupy: Any) -> None:
    assert is_out_of_memory(cupy.cuda.memory.OutOfMemoryError("x"))
    assert not is_out_of_memory(MemoryError()) and not is_out_of_memory(ValueError("out of range"))
    try:
        raise ValueError("a component failed") from cupy.cuda.memory.OutOfMemoryError("x")
    except ValueError as error:
        assert is_out_of_memory(error)


def test_the_engines_need_nothing_that_spacy_does_not_bring() -> None:
    """`tests/gpu` and `make bench-gpu` run on machines that have no more than that."""
    missing = ("polars", "snakemake", "jsonschema", "yaml", "filelock", "pynvml", "hypothesis")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing}))\n"
        "import shardner.engine.fused, shardner.engine.stock, shardner.annotate.audit, shardner.gpu.memory\n"
        "import shardner.gpu.nvml, shardner.model.components, making"
    )
    paths = os.pathsep.join(map(str, [ROOT / "workflow/scripts", ROOT / "tests"]))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=True)
