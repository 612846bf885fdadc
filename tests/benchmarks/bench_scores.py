"""What the attribute `score` costs: one pipeline annotates the same texts with and without it, in turn, in one process.

    python tests/benchmarks/bench_scores.py [--model PIPELINE] [--corpus FILE.jsonl.gz …] [--chars N]

Another process may run at any moment, so each part of the texts is annotated six times each way, and of those the least
CPU time counts. Between two processes the ratio differs by half a percent all the same, for their arrays lie elsewhere:
run it several times. `OPENBLAS_CORETYPE=Haswell` shows what a processor with AVX2 alone would do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}  # before NumPy is imported
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "workflow" / "scripts")]

from bench_engines import blocks, prepare, read_texts, windows_of
from shardner.annotate.shard_tables import make_tables, texts_of_entities
from shardner.annotate.worker import spare_collection
from shardner.config import EngineChoice
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Engine
from shardner.engine.repeated_texts import Reuse
from shardner.engine.selection import select_engine
from shardner.model.spacy_import import import_spacy

PARTS, REPEATS = 16, 6


def load(model: Path, attributes: list[str]) -> Engine:
    """Return the fused engine of a pipeline."""
    import_spacy(model)
    import spacy

    nlp = spacy.load(model)
    nlp.max_length = sys.maxsize
    return select_engine(nlp, EngineChoice.FUSED, None, attributes=attributes).engine


def seconds_of(engine: Engine, texts: list[str]) -> tuple[float, int]:
    """Annotate as a worker does; return the CPU time and the number of tokens."""
    reuse, watch, tokens, began = Reuse(engine), Stopwatch(), 0, time.process_time()
    for block in blocks(texts):
        found = reuse.annotate(block, watch)
        make_tables(windows_of(block), found, texts_of_entities(block, found), shard=0)
        tokens += int(found.tokens.sum())
    return time.process_time() - began, tokens


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resources/demo/pipeline")
    parser.add_argument("--corpus", type=Path, nargs="+", default=[Path("resources/demo/corpus.jsonl")])
    parser.add_argument("--chars", type=int, default=2_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        prepare(options.model, Path(directory))
        engines = [load(Path(directory), attributes) for attributes in ([], ["score"])]
    spare_collection()
    for corpus in options.corpus:
        texts = read_texts(corpus, options.chars)
        for engine in engines * 2:
            seconds_of(engine, texts[:: PARTS + 1])
        seconds, tokens = [0.0, 0.0], 0
        for part in range(1, PARTS + 1):
            runs: list[list[tuple[float, int]]] = [[], []]
            for repeat in range(REPEATS):
                for which in (0, 1) if repeat % 2 else (1, 0):
                    runs[which].append(seconds_of(engines[which], texts[part :: PARTS + 1]))
            seconds = [total + min(each)[0] for total, each in zip(seconds, runs, strict=True)]
            tokens += runs[0][0][1]
        without, with_scores = (1e6 * each / tokens for each in seconds)
        print(
            f"{corpus.name}: {without:.2f} µs/token, {with_scores:.2f} with scores, ratio {with_scores / without:.4f}"
        )


if __name__ == "__main__":
    main()
