"""On a CUDA device: both engines find what they find on the CPU.

Needs this repository, spaCy, NumPy, CuPy and pytest, nothing else:

    pytest tests/gpu

A pipeline and a corpus of one's own (JSON lines with ``text``, also .gz) are compared too:

    SHARDNER_GPU_MODEL=en_core_web_sm SHARDNER_GPU_CORPUS=news.jsonl.gz pytest tests/gpu
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import spacy
from fused_reference import scores_of
from making import LABELS, ROOT, make_pipeline, make_texts, ner_model, randomise
from shardner.annotate.near_ties import NEAR_TIE, find_gap
from shardner.data.stopwatch import Stopwatch
from shardner.engine.fused import FusedEngine


def find_reason() -> str | None:
    """Return why there is nothing to test on, None where there is a device."""
    try:
        import cupy

        return None if cupy.cuda.runtime.getDeviceCount() else "CuPy sees no CUDA device"
    except ImportError:
        return "CuPy is not installed (pip install cupy-cuda12x[ctk], or cupy-cuda13x[ctk])"
    except Exception as error:  # a driver that is missing or too old
        return f"CuPy finds no CUDA device: {error}"


REASON = find_reason()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

TEXTS = [*make_texts(300, seed=2), *make_texts(4, seed=3, longest=20_000), "", " ", "\n\n", "Ada", "😀" * 50]
EntitiesByText = list[list[tuple[int, int, str]]]

#: Annotates with a pipeline that spaCy has loaded onto the GPU: for good, so in a process of its own.
ON_GPU = """
import json, sys
import spacy
spacy.require_gpu()
from shardner.engine.fused import FusedEngine
from shardner.engine.stock import StockEngine
from shardner.data.stopwatch import Stopwatch
kind, model, path = sys.argv[1:]
engine = {"fused": FusedEngine, "stock": StockEngine}[kind](spacy.load(model), 20_000)
found = engine.annotate(json.load(open(path)), Stopwatch())
assert not found.failed, found.failed
json.dump([found.offsets.tolist(), found.starts.tolist(), found.ends.tolist(), list(found.labels)], sys.stdout)
"""


def by_text(
    offsets: Sequence[int], starts: Sequence[int], ends: Sequence[int], labels: Sequence[str]
) -> EntitiesByText:
    rows = list(zip(starts, ends, labels, strict=True))
    return [rows[begin:end] for begin, end in pairwise(offsets)]


def fused_on_gpu(nlp: Any, texts: Sequence[str], tokens: int | None = None) -> EntitiesByText:
    import cupy

    found = FusedEngine(nlp, tokens, cupy).annotate(texts, Stopwatch())
    assert not found.failed
    return by_text(found.offsets.tolist(), found.starts.tolist(), found.ends.tolist(), list(found.labels))


def in_a_process_of_its_own(kind: str, model: str, texts: Sequence[str], directory: Path) -> EntitiesByText:
    (directory / "texts.json").write_text(json.dumps(list(texts)))
    path = os.pathsep.join([str(ROOT / "workflow/scripts"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", ON_GPU, kind, model, str(directory / "texts.json")],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return by_text(*json.loads(done.stdout))


def assert_same(nlp: Any, texts: Sequence[str], ours: EntitiesByText) -> None:
    """Differences are near-ties, and few."""
    ties = entities = 0
    for text, doc, found in zip(texts, nlp.pipe(texts, batch_size=32), ours, strict=True):
        theirs = [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
        entities += len(theirs)
        if theirs != [tuple(each) for each in found]:
            gap = find_gap(nlp, text, theirs, found)
            assert gap < NEAR_TIE, f"{text[:200]!r}: score gap {gap}\n  CPU {theirs[:20]}\n  GPU {found[:20]}"
            ties += 1
    assert entities > 10 and ties <= max(len(texts) // 50, 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")


@pytest.fixture
def thinc_on_gpu() -> None:
    from thinc.compat import cupy, has_cupy_gpu

    if not has_cupy_gpu or hasattr(cupy.cuda, "tally"):
        pytest.skip("thinc sees no CUDA device")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("width", "depth"), [(32, 1), (96, 4)])
def test_the_fused_engine_finds_what_stock_spacy_finds_on_the_cpu(seed: int, width: int, depth: int) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    recogniser = nlp.add_pipe("ner", config={"model": ner_model(width=width, depth=depth)})
    for label in LABELS:
        recogniser.add_label(label)
    nlp.initialize()
    randomise(recogniser.model, seed)
    assert_same(nlp, TEXTS, fused_on_gpu(nlp, TEXTS))


@pytest.mark.parametrize("tokens", [1, 100, 3_000, 1_000_000])
def test_the_batch_size_changes_nothing(tokens: int, model: Path) -> None:
    nlp = spacy.load(model)
    assert_same(nlp, TEXTS, fused_on_gpu(nlp, TEXTS, tokens))


@pytest.mark.parametrize("tokens", [100, 1_000_000])
def test_scores_are_those_of_the_cpu(tokens: int, model: Path) -> None:
    import cupy

    on_gpu, on_cpu = (
        FusedEngine(spacy.load(model), tokens, xp, attributes=["score"]).annotate(TEXTS, Stopwatch())
        for xp in (cupy, None)
    )
    pairs = [
        (ours[entity], theirs[entity])
        for ours, theirs in zip(scores_of(on_gpu, len(TEXTS)), scores_of(on_cpu, len(TEXTS)), strict=True)
        for entity in ours.keys() & theirs.keys()
    ]
    assert len(pairs) > 0.95 * len(on_cpu.starts) > 1_000
    assert all(0 < ours <= 1 and abs(ours - theirs) <= 1e-4 for ours, theirs in pairs)


def test_a_batch_that_does_not_fit_is_halved(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    import cupy

    nlp, pool = spacy.load(model), cupy.get_default_memory_pool()
    if hasattr(cupy.cuda, "tally"):
        pytest.skip("not the real CuPy")
    engine = FusedEngine(nlp, 1_000_000, cupy)
    engine.annotate(TEXTS[:10], Stopwatch())
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + (24 << 20))
    try:
        found = engine.annotate(TEXTS, Stopwatch())
    finally:
        pool.set_limit(size=0)
    assert "do not fit the device's memory" in caplog.text
    ours = by_text(found.offsets.tolist(), found.starts.tolist(), found.ends.tolist(), list(found.labels))
    assert_same(nlp, TEXTS, ours)


@pytest.mark.parametrize("kind", ["stock", "fused"])
def test_a_pipeline_loaded_onto_the_gpu_finds_what_it_finds_on_the_cpu(
    kind: str, model: Path, thinc_on_gpu: None, tmp_path: Path
) -> None:
    assert_same(spacy.load(model), TEXTS, in_a_process_of_its_own(kind, str(model), TEXTS, tmp_path))


#: Asks how nearly the actions tied for an entity that is left out, of a pipeline on the GPU and of one on the CPU.
GAPS = """
import json, sys
import spacy
from shardner.annotate.near_ties import find_gap
model, path = sys.argv[1:]
def ask(nlp):
    gaps = []
    for text in json.load(open(path)):
        found = [(entity.start_char, entity.end_char, entity.label_) for entity in nlp(text).ents]
        if found:
            gaps.append(find_gap(nlp, text, found, found[1:]))
    return gaps
on_cpu = ask(spacy.load(model))
spacy.require_gpu()
json.dump([on_cpu, ask(spacy.load(model))], sys.stdout)
"""


def test_near_ties_of_a_pipeline_on_the_gpu_are_those_of_the_cpu(
    model: Path, thinc_on_gpu: None, tmp_path: Path
) -> None:
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS[:20]))
    path = os.pathsep.join([str(ROOT / "workflow/scripts"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", GAPS, str(model), str(tmp_path / "texts.json")],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    on_cpu, on_gpu = json.loads(done.stdout)
    assert len(on_cpu) > 10 and on_gpu == pytest.approx(on_cpu, abs=1e-3)


def read_texts(path: Path, chars: int = 2_000_000) -> list[str]:
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    texts: list[str] = []
    with opened as lines:
        for line in lines:
            texts.append(json.loads(line)["text"][:200_000])
            chars -= len(texts[-1])
            if chars < 0:
                break
    return texts


@pytest.mark.skipif("SHARDNER_GPU_CORPUS" not in os.environ, reason="SHARDNER_GPU_CORPUS names no corpus")
@pytest.mark.parametrize("kind", ["fused over CuPy", "stock", "fused"])
def test_a_corpus_of_ones_own(kind: str, model: Path, tmp_path: Path) -> None:
    name = os.environ.get("SHARDNER_GPU_MODEL", str(model))
    texts = [text for path in os.environ["SHARDNER_GPU_CORPUS"].split(":") for text in read_texts(Path(path))]
    nlp = spacy.load(name)
    nlp.max_length = sys.maxsize
    if kind == "fused over CuPy":
        assert_same(nlp, texts, fused_on_gpu(nlp, texts))
    else:
        assert_same(nlp, texts, in_a_process_of_its_own(kind, name, texts, tmp_path))
