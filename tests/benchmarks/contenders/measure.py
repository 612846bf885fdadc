"""Measure one contender on one corpus: a process tree, from its start to its table on disk.

    python measure.py --contender NAME --cores N --model DIR --corpus FILE --facts FILE --probe FILE
        --out JSON --table PARQUET --log FILE

The tree runs in a scratch directory of its own, which is gone afterwards, and writes nowhere else. Seconds are wall
time of the first process, CPU seconds are of the whole tree. Memory is the sum over the tree of each process's
proportional share (PSS, which counts a page that two processes share once; RSS where the system has no PSS), sampled
five times a second, or less often where that would take more than a fiftieth of a core. What fails is a result too:
the reason stands in the place of figures.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import polars as pl
import psutil
from benchmarks.contenders.plan import CONTENDERS, HERE, ROOT, Contender, batch_size, count_gpus

SAMPLE_S = 0.2
#: Of a core: what sampling may take. Looking at a process of many gigabytes takes tens of milliseconds.
SAMPLING_SHARE = 0.02
#: Of the machine's memory; a tree that leaves less is ended before the system ends something else.
LEAST_FREE = 0.04
#: How long processes that outlive the first one may take to end.
GRACE_S = 5.0
PR_SET_CHILD_SUBREAPER = 36
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
#: No telemetry, no network, no bars.
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
}


@dataclass
class Watch:
    """What was seen of a process tree, while it ran."""

    peak_tree_bytes: int = 0
    peak_process_bytes: int = 0
    most_processes: int = 0
    reason: str | None = None  # why it was ended from here
    cpu_s: dict[tuple[int, float], float] = field(default_factory=dict)  # of each process when last seen

    def sample(self, tree: list[psutil.Process]) -> None:
        """Look at all processes once."""
        sizes = []
        for process in tree:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                self.cpu_s[process.pid, process.create_time()] = times.user + times.system
                sizes.append(memory_bytes(process))
        self.peak_tree_bytes = max(self.peak_tree_bytes, sum(sizes))
        self.peak_process_bytes = max(self.peak_process_bytes, *sizes, 0)
        self.most_processes = max(self.most_processes, len(sizes))


def memory_bytes(process: psutil.Process) -> int:
    """Return a process's proportional share of memory, or what is resident of it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, IndexError):
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            return int(rollup.split("\nPss:", 1)[1].split(maxsplit=1)[0]) * 1024
    return int(process.memory_info().rss)


def adopt_orphans() -> None:
    """Make this process the parent of what its descendants leave behind, so that it can be found, counted and ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run_tree(
    command: list[str], scratch: Path, environment: Mapping[str, str], cores: int, timeout_s: float
) -> dict[str, Any]:
    """Run a command to the end of all its processes and return figures. Its output goes to ``log`` in `scratch`."""
    adopt_orphans()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    before_s, own_s, all_s = used.ru_utime + used.ru_stime, time.process_time(), busy_s()
    watch, ended = Watch(), threading.Event()
    with (scratch / "log").open("wb") as log:
        began, began_at = time.perf_counter(), time.time()
        first = subprocess.Popen(
            command, cwd=scratch, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: pin(cores),
        )  # fmt: skip
        sampler = threading.Thread(target=watch_tree, args=(watch, ended, timeout_s))
        sampler.start()
        exit_status = first.wait()
        wall_s = time.perf_counter() - began
    ended.set()
    sampler.join()
    end_rest()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # the larger one: processes whose parent did not wait for them are in the samples only
    cpu_s = max(used.ru_utime + used.ru_stime - before_s, sum(watch.cpu_s.values()))
    sampling_s = time.process_time() - own_s
    return {
        "exit_status": exit_status,
        "reason": watch.reason,
        "started_at_s": began_at,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "peak_tree_bytes": watch.peak_tree_bytes,
        "peak_process_bytes": watch.peak_process_bytes,
        "most_processes": watch.most_processes,
        "memory": "pss" if sys.platform == "linux" else "rss",
        "sampling_cpu_s": sampling_s,
        "others_cpu_s": max(busy_s() - all_s - cpu_s - sampling_s, 0.0),
    }


def busy_s() -> float:
    """Return the CPU seconds that this machine's processes have taken, and its host from it."""
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "steal", 0.0))


def pin(cores: int) -> None:
    """Keep this process and its children on so many cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def watch_tree(watch: Watch, ended: threading.Event, timeout_s: float) -> None:
    """Sample the tree below this process until it has ended; end it if it takes too long or too much."""
    deadline = time.monotonic() + timeout_s
    pause_s = SAMPLE_S
    while not ended.wait(pause_s):
        before_s = time.process_time()
        watch.sample(psutil.Process().children(recursive=True))
        pause_s = max(SAMPLE_S, (time.process_time() - before_s) / SAMPLING_SHARE)
        memory = psutil.virtual_memory()
        if memory.available < LEAST_FREE * memory.total:
            watch.reason = f"ended: it left less than {LEAST_FREE:.0%} of the machine's memory"
        elif time.monotonic() > deadline:
            watch.reason = f"ended: it took more than {timeout_s:.0f} s"
        if watch.reason is not None:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    process.kill()


def end_rest() -> None:
    """End what the first process left running, and wait for it."""
    rest = psutil.Process().children(recursive=True)
    psutil.wait_procs(rest, timeout=GRACE_S)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def environment_of(contender: Contender, scratch: Path) -> dict[str, str]:
    """Return the environment of a contender: Snakemake's own settings gone, nothing written outside of `scratch`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE_", *THREADS))}
    kept |= QUIET | {
        key: str(scratch / name)
        for key, name in (("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "cache"), ("HF_HOME", "hf"), ("RAY_TMPDIR", "ray"))
    }
    (scratch / "tmp").mkdir(exist_ok=True)
    if contender.parallel and contender.script is not None:  # Shardner sees to that itself
        kept |= dict.fromkeys(THREADS, "1")
    return kept if contender.gpu else kept | {"CUDA_VISIBLE_DEVICES": ""}


def command_of(contender: Contender, model: Path, corpus: Path, scratch: Path, cores: int, batch: int) -> list[str]:
    """Return what a user would type."""
    if contender.script is not None:
        return [
            sys.executable, str(HERE / "run" / contender.script), "--model", str(model), "--corpus", str(corpus),
            "--table", str(scratch / "table.parquet"), "--cores", str(cores), "--batch", str(batch),
        ]  # fmt: skip
    settings = {"corpus": {"files": [str(corpus)]}, "model": {"name": str(model)}}
    (scratch / "settings.yaml").write_text(json.dumps(settings))
    gpus = ["--resources", f"gpu={count_gpus()}"] if contender.gpu else []
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(scratch),
        "--cores", str(cores), *gpus, "--configfile", str(scratch / "settings.yaml"),
    ]  # fmt: skip


def find_reason(measured: Mapping[str, Any], log: str) -> str | None:
    """Return why a contender failed, None if it did not: what it said last."""
    if measured["reason"] or not measured["exit_status"]:
        return measured["reason"]
    if measured["exit_status"] < 0:
        return f"ended by {signal.Signals(-measured['exit_status']).name}"
    said = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in said if "Error" in line and not line.startswith("subprocess.")]
    return " ".join((errors or said or ["it said nothing"])[-1].split())[:300]


def collect(contender: Contender, scratch: Path, table: Path) -> str | None:
    """Move a contender's table out of its scratch directory, and what stands beside it; return what is wrong."""
    made = scratch / ("table.parquet" if contender.script is not None else "results/entities.parquet")
    if not made.is_file():
        return "it ended without a table"
    shutil.move(made, table)
    for name, suffix in (("borders", ".borders"), ("results/performance.json", ".performance.json")):
        if (scratch / name).is_file():
            shutil.move(scratch / name, table.with_suffix(suffix))
    return None


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contender", choices=CONTENDERS, required=True)
    for name in ("--model", "--corpus", "--facts", "--probe", "--out", "--table", "--log"):
        parser.add_argument(name, type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--timeout", type=float, default=7_200.0, help="seconds")
    options = parser.parse_args()
    contender = CONTENDERS[options.contender]
    facts, best = json.loads(options.facts.read_text()), json.loads(options.probe.read_text())["batch"]
    batch = batch_size(best, facts["documents"], facts["longest_chars"], options.cores, parallel=contender.parallel)
    # a short name: sockets of Ray lie in it, whose paths may have a hundred characters
    with tempfile.TemporaryDirectory(prefix="b-", ignore_cleanup_errors=True) as directory:
        scratch = Path(directory).resolve()
        command = command_of(contender, options.model, options.corpus, scratch, options.cores, batch)
        measured = run_tree(command, scratch, environment_of(contender, scratch), options.cores, options.timeout)
        log = (scratch / "log").read_text(encoding="utf-8", errors="replace")
        options.log.write_text(log, encoding="utf-8")
        reason = find_reason(measured, log) or collect(contender, scratch, options.table)
    if reason is not None:
        pl.DataFrame().write_parquet(options.table)
    result = {"batch": batch if contender.script else None, **measured, "reason": reason}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
