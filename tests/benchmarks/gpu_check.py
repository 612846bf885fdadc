"""Everything that waits for a real GPU, in one command: what is there, whether it works, and how fast it is.

    python tests/benchmarks/gpu_check.py --out FOLDER [--model PIPELINE] [--corpus FILE.jsonl.gz …]
        [--transformer PIPELINE] [--limit SECONDS] [--again PIECE …]

It needs this repository, spaCy, NumPy, CuPy and pytest; the workflow's own run needs Snakemake and Polars too, and is
left out where they are not there. It works in pieces of less than nine minutes and needs no network. What is done lies
in FOLDER, a file a piece; the same command goes on with what is missing, so it may be stopped, or given less time.
``summary.md`` there says what was found, with date, device and versions.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]

#: No piece takes longer.
MOST_S = 530
PASSED, FAILED, LEFT_OUT = "passed", "failed", "left out"
#: What is computed of a token with spaCy's small pipeline: operations, and bytes moved in the device's memory.
FLOPS, BYTES = 0.53e6, 64e3


@dataclass(frozen=True)
class Result:
    """What became of a piece."""

    state: str
    seconds: float
    said: str  # the last lines of its output, or why it was left out
    figures: dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A part of the check: a command, and what must be there for it."""

    name: str
    what: str
    command: Sequence[str]
    needs: Sequence[str] = ()  # modules
    figures: str | None = None  # a file of JSON that the command writes into the folder


def list_pieces(options: argparse.Namespace) -> list[Piece]:
    """Return the pieces in the order in which they are done: what is cheap and decides the rest comes first."""
    python, own = sys.executable, [sys.executable, __file__, "--out", str(options.out), "--do"]
    quick = ["--quick"] if options.quick else []
    pieces = [
        Piece("machine", "device, driver and versions", [*own, "machine"], figures="machine.figures.json"),
        Piece("trial", "the computation that every job's device is tried with", [*own, "trial"], ["cupy", "thinc"]),
        Piece(
            "parity",
            "entities and scores on the device are those of the CPU",
            [python, "-m", "pytest", str(ROOT / "tests/gpu"), "-q", "-W", "ignore", "-p", "no:cacheprovider"],
            ["cupy", "pytest"],
        ),
        Piece(
            "profile",
            "one batch: launches, kernel time, the memory's bandwidth, and the floor",
            [*own, "profile", "--model", str(options.model), *quick],
            ["cupy"],
            figures="profile.figures.json",
        ),
    ]
    for tokens in options.batch_tokens:
        pieces.append(_bench(f"speed-{tokens}", options, options.model, tokens))
    if options.transformer:
        pieces.append(_bench("speed-transformer", options, options.transformer, 0, ["torch"]))
    workflow = [python, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    workflow += ["--resources", "gpu=1", "--directory", str(ROOT)]
    workflow += ["--config", "corpus={files: [generated]}", "model={name: trained}"]
    workflow += [f"output={{dir: {json.dumps(str(options.scratch / 'results'))}}}"]
    needs = ["snakemake", "polars", "vl_convert", "jsonschema", "rich"]
    return [*pieces, Piece("workflow", "the workflow on the corpus that it generates, one device", workflow, needs)]


def _bench(name: str, options: argparse.Namespace, model: str, tokens: int, needs: Sequence[str] = ()) -> Piece:
    """Return the piece that measures speed with batches of so many tokens."""
    figures = f"{name}.figures.json"
    seconds, workers = ("0.2", ["1", "2"]) if options.quick else ("4", ["1", "4", "8", "16"])
    command = [sys.executable, str(ROOT / "tests/benchmarks/bench_gpu.py"), "--model", str(model)]
    command += ["--corpus", *map(str, options.corpus), "--repeats", "1", "--seconds", seconds, "--stock-batch", "256"]
    command += ["--workers", *workers, "--batch-tokens", str(tokens), "--out", str(options.out / figures)]
    what = "stock spaCy, the tokenizer and Shardner with 1 to 16 workers"
    what += f", batches of {tokens:,} tokens" if tokens else ", a transformer"
    return Piece(name, what, command, ["cupy", *needs], figures)


def do_piece(piece: Piece, folder: Path, left_s: float) -> Result | None:
    """Run a piece, and return what became of it; None if this call's time was over before the piece's own."""
    missing = [name for name in piece.needs if importlib.util.find_spec(name) is None]
    if missing:
        return Result(LEFT_OUT, 0.0, f"not installed: {', '.join(missing)}", {})
    began = time.monotonic()
    try:
        done = subprocess.run(
            piece.command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=min(left_s, MOST_S),
        )
        output, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        if left_s < MOST_S:
            return None
        output, code = f"{_text(error.stdout)}{_text(error.stderr)}\nended after {MOST_S} s", 1
    seconds = time.monotonic() - began
    output = output.replace(str(ROOT), ".").replace(str(folder), folder.name)
    (folder / f"{piece.name}.txt").write_text(output, "utf-8")
    figures = json.loads((folder / piece.figures).read_text()) if piece.figures and not code else {}
    lines = [line for line in output.splitlines() if line.strip()]
    return Result(FAILED if code else PASSED, round(seconds, 1), "\n".join(lines[-3:])[-600:], figures)


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def read_result(piece: Piece, folder: Path) -> Result | None:
    """Return what became of a piece in an earlier call; None if it was not done."""
    try:
        return Result(**json.loads((folder / f"{piece.name}.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_result(piece: Piece, result: Result, folder: Path) -> None:
    """Keep what became of a piece; at once, for the machine may be taken away."""
    (folder / f"{piece.name}.json").write_text(json.dumps(asdict(result), indent=1) + "\n", "utf-8")


def summarise(pieces: Sequence[Piece], results: dict[str, Result]) -> str:
    """Return the page that says what was found."""
    machine = results["machine"].figures if "machine" in results else {}
    lines = ["# On a real GPU", "", ", ".join(f"{key} {value}" for key, value in machine.items()), ""]
    lines += ["| piece | what | state | seconds | said |", "| --- | --- | --- | ---: | --- |"]
    for piece in pieces:
        found = results.get(piece.name)
        cells = [found.state, f"{found.seconds:.0f}", _one_cell(found.said)] if found else ["waits", "", ""]
        lines.append(f"| {piece.name} | {piece.what} | {' | '.join(cells)} |")
    if "profile" in results and results["profile"].figures:
        lines += ["", "One batch:", "", "| figure | value |", "| --- | ---: |"]
        lines += [f"| {key} | {value} |" for key, value in results["profile"].figures.items()]
    for piece in pieces:
        if piece.name.startswith("speed-") and piece.name in results and results[piece.name].figures:
            lines += ["", f"{piece.what}:", "", "| contender | tokens a second |", "| --- | ---: |"]
            for name, runs in results[piece.name].figures["runs"].items():
                speeds = [run["tokens_per_s"] for run in runs if "tokens_per_s" in run]
                said = f"{statistics.median(speeds):,.0f}" if speeds else _one_cell(str(runs[0].get("error")))
                lines.append(f"| {name} | {said} |")
    return "\n".join(lines) + "\n"


def _one_cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")[-200:]


def check_machine(folder: Path) -> None:
    """Write what the machine has."""
    from bench_gpu import describe

    found = describe()
    (folder / "machine.figures.json").write_text(json.dumps(found, indent=1) + "\n")
    print(found)
    with_smi = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False) if _has_smi() else None
    print(with_smi.stdout if with_smi else "nvidia-smi is not there")


def _has_smi() -> bool:
    return any(os.access(Path(each) / "nvidia-smi", os.X_OK) for each in os.environ.get("PATH", "").split(os.pathsep))


def try_device() -> int:
    """Compute what every job's device is tried with; return the exit status."""
    from shardner.gpu.runtime import TRIAL

    code = subprocess.run([sys.executable, "-c", TRIAL], check=False).returncode
    print("the trial failed" if code else "the trial went well", flush=True)
    return code


def profile_batch(folder: Path, model: str, quick: bool) -> None:
    """Measure one batch on the device: time, launches and kernel time where Torch can count them, and the floor."""
    import cupy
    import spacy
    from making import make_texts
    from shardner.data.stopwatch import Stopwatch
    from shardner.engine.fused import FusedEngine

    wanted = 2_000 if quick else 117_000
    nlp = spacy.load(model)
    engine = FusedEngine(nlp, 1 << 20, cupy)
    texts, tokens = list[str](), 0
    while tokens < wanted:
        texts += make_texts(100, seed=len(texts))
        tokens = sum(len(nlp.make_doc(text)) for text in texts[-100:]) + tokens

    def annotate() -> None:
        engine.annotate(texts, Stopwatch())
        cupy.cuda.runtime.deviceSynchronize()

    batch_s = _median_s(annotate, 2 if quick else 9)
    words = (1 << 16) if quick else (1 << 28)
    array = cupy.zeros(words, dtype="f")

    def copy() -> None:
        array + 1
        cupy.cuda.runtime.deviceSynchronize()

    bytes_a_s = 2 * array.nbytes / _median_s(copy, 3 if quick else 20)
    found: dict[str, Any] = {
        "tokens": tokens,
        "milliseconds": round(1e3 * batch_s, 2),
        "tokens a second, one worker": round(tokens / batch_s),
        "bandwidth measured, GB/s": round(bytes_a_s / 1e9),
        "floor by bandwidth for spaCy's small pipeline, tokens a second": round(bytes_a_s / BYTES),
        **_count_kernels(annotate),
    }
    (folder / "profile.figures.json").write_text(json.dumps(found, indent=1) + "\n")
    print(found)


def _median_s(work: Callable[[], None], times: int) -> float:
    work()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _count_kernels(work: Callable[[], None]) -> dict[str, Any]:
    """Return launches, copies and their time: Torch's profiler sees all kernels of the process, CuPy's too."""
    try:
        import torch
        from torch.profiler import ProfilerActivity, profile

        if not torch.cuda.is_available():
            return {"kernels": "not counted: Torch sees no device"}
    except ImportError:
        return {"kernels": "not counted: Torch is not installed"}
    torch.cuda.init()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
    events = [event for event in seen.events() if event.device_type.name == "CUDA"]
    copies = [event for event in events if event.name.startswith("Mem")]
    kernels = [event for event in events if not event.name.startswith("Mem")]
    slowest: dict[str, float] = {}
    for event in kernels:
        slowest[event.name[:60]] = slowest.get(event.name[:60], 0.0) + event.device_time_total
    most = sorted(slowest.items(), key=lambda each: -each[1])[:8]
    return {
        "kernels": len(kernels),
        "milliseconds of kernels": round(sum(event.device_time_total for event in kernels) / 1e3, 2),
        "copies": len(copies),
        "milliseconds of copies": round(sum(event.device_time_total for event in copies) / 1e3, 2),
        **{f"milliseconds of {name}": round(us / 1e3, 2) for name, us in most},
    }


def make_inputs(options: argparse.Namespace) -> None:
    """Make a pipeline with random weights and a corpus where none is named."""
    from making import make_pipeline, make_texts

    inputs = options.scratch
    if options.model is None:
        options.model = str(inputs / "pipeline")
        if not Path(options.model).exists():
            make_pipeline(Path(options.model))
    if not options.corpus:
        options.corpus = [inputs / "corpus.jsonl"]
        lines = (json.dumps({"text": text}) + "\n" for text in make_texts(100 if options.quick else 20_000, seed=1))
        options.corpus[0].write_text("".join(lines), "utf-8")


def read_options() -> argparse.Namespace:
    """Return the command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--scratch", type=Path, default=ROOT / "resources/gpu-check", help="for what is not to be kept")
    parser.add_argument("--model", metavar="PIPELINE", help="if not given, one with random weights is made")
    parser.add_argument("--corpus", type=Path, nargs="+", default=[], metavar="FILE", help="JSON lines with text")
    parser.add_argument("--transformer", metavar="PIPELINE")
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[32_768, 65_536, 131_072])
    parser.add_argument("--limit", type=float, default=float(MOST_S), metavar="SECONDS", help="of this call")
    parser.add_argument("--again", nargs="+", default=[], metavar="PIECE", help="do these once more")
    parser.add_argument("--pieces", nargs="+", metavar="PIECE", help="only these")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: little work, no figures worth keeping")
    parser.add_argument("--do", choices=("machine", "trial", "profile"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out, options.scratch = options.out.resolve(), options.scratch.resolve()
    return options


def main() -> int:
    """Do what is missing while there is time; return 1 if a piece failed, 2 if some wait."""
    options = read_options()
    if options.do == "machine":
        check_machine(options.out)
    elif options.do == "trial":
        return try_device()
    elif options.do == "profile":
        profile_batch(options.out, options.model, options.quick)
    if options.do:
        return 0
    began = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    options.scratch.mkdir(parents=True, exist_ok=True)
    make_inputs(options)
    pieces = [piece for piece in list_pieces(options) if not options.pieces or piece.name in options.pieces]
    known = ((piece.name, read_result(piece, options.out)) for piece in pieces if piece.name not in options.again)
    results = {name: result for name, result in known if result is not None}
    for piece in pieces:
        left_s = options.limit - (time.monotonic() - began)
        if piece.name not in results and left_s > 0:
            print(f"{piece.name}: {piece.what} …", flush=True)
            result = do_piece(piece, options.out, left_s)
            if result is not None:
                results[piece.name] = result
                write_result(piece, result, options.out)
                print(f"  {result.state} in {result.seconds:.0f} s: {_one_cell(result.said)}", flush=True)
        (options.out / "summary.md").write_text(summarise(pieces, results), "utf-8")
    waiting = [piece.name for piece in pieces if piece.name not in results]
    if waiting:
        print(f"still to do: {', '.join(waiting)}; the same command goes on with them")
    print(options.out / "summary.md")
    failed = any(result.state == FAILED for result in results.values())
    return 1 if failed else 2 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
