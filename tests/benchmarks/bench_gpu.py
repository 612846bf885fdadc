"""Recognition on one GPU: ours with 1, 2, 4 … workers beside stock `nlp.pipe` on the same GPU, and on the CPU.

    python tests/benchmarks/bench_gpu.py [--model PIPELINE] [--corpus FILE.jsonl.gz …] [--workers 1 2 4 8 16]
        [--out FILE]

Needs this repository, spaCy, NumPy and CuPy; shows utilisation and power too where nvidia-ml-py is installed. Each
measurement starts its workers anew, lets each load the pipeline and warm up, and then counts the tokens that all of
them annotate, block after block, from texts to entities, within a number of seconds. Contenders take turns, and the
tokenizer alone is one of them: it does what cannot be saved, with as many workers. Prints a table, and writes all
figures with --out.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "scripts")]
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

BLOCK_CHARS = 1 << 19
STOCK_BATCH_SIZES = (64, 256, 1000)
START_S = 300


def read_blocks(paths: list[Path], chars: int) -> list[list[str]]:
    """Return texts of JSON lines, up to about `chars` characters, in blocks as a job's worker gets them."""
    blocks: list[list[str]] = [[]]
    size = 0
    for path in paths:
        opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
        with opened as lines:
            for line in lines:
                try:
                    text = json.loads(line)["text"]
                except (ValueError, KeyError, TypeError):
                    continue  # a generated corpus has bad lines
                if not isinstance(text, str) or chars < 0:
                    continue
                blocks[-1].append(text)
                size, chars = size + len(text), chars - len(text)
                if size >= BLOCK_CHARS:
                    blocks.append([])
                    size = 0
    return [block for block in blocks if block]


def make_work(kind: str, model: str, option: int) -> Callable[[list[str]], int]:
    """Return a function that annotates texts and returns the number of tokens."""
    import spacy
    from shardner.data.stopwatch import Stopwatch
    from shardner.engine.fused import FusedEngine
    from shardner.model.components import select_components

    if kind == "stock-gpu":
        spacy.require_gpu()
    nlp = spacy.load(model, exclude=list(select_components(spacy.load(model), "auto").left_out))
    nlp.max_length = sys.maxsize
    if kind == "tokenizer":
        return lambda texts: sum(len(nlp.make_doc(text)) for text in texts)
    if kind.startswith("stock"):
        return lambda texts: sum(len(doc) for doc in nlp.pipe(texts, batch_size=option) if doc.ents is not None)
    xp = None
    if kind == "fused-gpu":
        import cupy as xp
    engine = FusedEngine(nlp, option or None, xp)
    return lambda texts: int(engine.annotate(texts, Stopwatch()).tokens.sum())


def run_worker(job: dict[str, Any], number: int, barrier: Any, results: Any) -> None:
    """Annotate until the time is over; report tokens and seconds, or what went wrong."""
    try:
        work = make_work(job["kind"], job["model"], job["option"])
        blocks = read_blocks([Path(path) for path in job["corpus"]], job["chars"])
        for block in blocks[:2]:
            work(block)
        barrier.wait(START_S)
        began, tokens, place = time.perf_counter(), 0, number * len(blocks) // job["workers"]
        while time.perf_counter() - began < job["seconds"]:
            tokens += work(blocks[place % len(blocks)])
            place += 1
        results.put((tokens, time.perf_counter() - began))
    except Exception as error:  # whatever a device that is not there, or not large enough, raises
        barrier.abort()
        results.put(f"{type(error).__name__}: {error}")


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Return tokens a second of all workers together, and what the device did meanwhile."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(job["workers"] + 1), context.Queue()
    processes = [
        context.Process(target=run_worker, args=(job, number, barrier, results), daemon=True)
        for number in range(job["workers"])
    ]
    for process in processes:
        process.start()
    try:
        barrier.wait(START_S)
    except threading.BrokenBarrierError:
        pass
    with sample() as samples:
        found = [results.get(timeout=START_S + 10 * job["seconds"]) for _ in processes]
    for process in processes:
        process.join()
    failed = [each for each in found if isinstance(each, str) and not each.startswith("BrokenBarrier")]
    if failed:
        return {"error": failed[0]}
    return {"tokens_per_s": sum(tokens / seconds for tokens, seconds in found), **samples}


class sample:
    """Samples the first visible device by NVML, where that is installed."""

    def __enter__(self) -> dict[str, float]:
        self._means: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self._means

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        from shardner.gpu.nvml import NvmlError, open_nvml

        rows: list[tuple[float, float, float]] = []
        try:
            with open_nvml() as nvml:
                handle = nvml.handle(nvml.cards()[0][0].uuid)
                while not self._stop.wait(0.25):
                    free_bytes, total_bytes = nvml.memory(handle) or (0, 0)
                    figures = (nvml.utilisation(handle) or 0, nvml.power_w(handle) or 0, total_bytes - free_bytes)
                    rows.append(figures)
        except (NvmlError, IndexError):
            return
        for name, values in zip(("utilisation", "power_w", "memory_bytes"), zip(*rows, strict=True), strict=False):
            self._means[name] = max(values) if name == "memory_bytes" else statistics.mean(values)


def contenders(options: argparse.Namespace) -> Iterator[tuple[str, str, int, int]]:
    """Yield name, kind, workers and option (batch size or tokens)."""
    yield "stock nlp.pipe, GPU", "stock-gpu", 1, options.stock_batch
    yield "stock nlp.pipe, CPU", "stock-cpu", 1, options.stock_batch
    yield "ours, CPU", "fused-cpu", 1, 0
    for workers in options.workers:
        yield f"tokenizer alone, {workers}", "tokenizer", workers, 0
        yield f"ours, GPU, {workers}", "fused-gpu", workers, options.batch_tokens


def describe() -> dict[str, Any]:
    """Return date, machine and versions."""
    packages = ("spacy", "thinc", "numpy", "cupy-cuda12x", "cupy-cuda13x", "cupy")
    versions = {}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    described = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "cores": os.cpu_count(), **versions}
    described["python"] = platform.python_version()
    from shardner.gpu.nvml import NvmlError, open_nvml

    try:
        with open_nvml() as nvml:
            cards, _ = nvml.cards()
            described |= {"device": cards[0].name if cards else None, "driver": nvml.driver}
            described["cuda"] = ".".join(map(str, nvml.cuda))
    except NvmlError as error:
        described["device"] = str(error)
    return described


def find_stock_batch(base: dict[str, Any]) -> int:
    """Return the batch size with which stock spaCy is fastest on the GPU."""
    speeds = {
        size: measure({**base, "kind": "stock-gpu", "workers": 1, "option": size}).get("tokens_per_s", 0.0)
        for size in STOCK_BATCH_SIZES
    }
    return max(speeds, key=lambda size: speeds[size])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resources/demo/pipeline")
    parser.add_argument("--corpus", type=Path, nargs="+", default=[Path("resources/demo/corpus.jsonl")])
    parser.add_argument("--chars", type=int, default=20_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--batch-tokens", type=int, default=65_536)
    parser.add_argument("--stock-batch", type=int, default=0, help="0: the fastest of several is found first")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    base = {"model": options.model, "corpus": [str(path) for path in options.corpus]}
    base |= {"chars": options.chars, "seconds": options.seconds}
    options.stock_batch = options.stock_batch or find_stock_batch(base)
    described = describe() | {"stock_batch_size": options.stock_batch, "batch_tokens": options.batch_tokens}
    print(", ".join(f"{key} {value}" for key, value in described.items()), flush=True)
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.repeats):
        for name, kind, workers, option in contenders(options):
            found = measure({**base, "kind": kind, "workers": workers, "option": option})
            runs.setdefault(name, []).append(found)
            print(f"  {name}: {found}", file=sys.stderr, flush=True)
    print_table(runs)
    if options.out:
        options.out.write_text(json.dumps({"machine": described, "runs": runs}, indent=1) + "\n")


def print_table(runs: dict[str, list[dict[str, Any]]]) -> None:
    """Print medians, as multiples of stock on the GPU and shares of the tokenizer with as many workers."""
    speeds = {
        name: statistics.median(run["tokens_per_s"] for run in each)
        for name, each in runs.items()
        if not any("error" in run for run in each)
    }
    stock = speeds.get("stock nlp.pipe, GPU")
    print("\n| | tokens/s | times stock on the GPU | of the tokenizer | utilisation | power | memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, each in runs.items():
        if name not in speeds:
            print(f"| {name} | failed: {next(run['error'] for run in each if 'error' in run)[:120]} | | | | | |")
            continue
        speed = speeds[name]
        tokenizer = speeds.get(f"tokenizer alone, {name.rpartition(' ')[2]}")
        cells = [name, f"{speed:,.0f}", f"{speed / stock:.1f}" if stock else "-"]
        cells.append(f"{speed / tokenizer:.0%}" if tokenizer else "-")
        for key, factor, unit in (("utilisation", 100, " %"), ("power_w", 1, " W"), ("memory_bytes", 2**-20, " MiB")):
            values = [run[key] for run in each if key in run]
            cells.append(f"{statistics.median(values) * factor:,.0f}{unit}" if values and "GPU" in name else "-")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
