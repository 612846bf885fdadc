"""Many short records: what splitting and merging cost beside annotating, and whether memory stays flat.

    python tests/benchmarks/bench_many_records.py --model resources/demo/pipeline [--records 2000000] [--directory DIR]

Runs the workflow on generated transaction records and prints, from the jobs' own records, seconds and peak memory by
rule, and the peak memory of annotate workers by how many documents they had annotated.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "workflow" / "scripts")]

from making import run_workflow
from shardner.data.job_files import read_job
from shardner.data.metrics import Job
from shardner.demo.lexicon import Purpose, vocabulary


def write_records(path: Path, count: int, seed: int = 0) -> None:
    """Write `count` records of about 75 characters, hardly any twice."""
    rng = random.Random(seed)
    words = vocabulary(Purpose.DEMO)
    names: list[str] = [f"{first} {last}" for first in (*words.female, *words.male) for last in words.surnames]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            payer, payee, place = rng.choice(names), rng.choice(names), rng.choice(words.places)
            text = f"{payer} paid {rng.randint(100, 999_999) / 100:.2f} to {payee} in {place}, ref. {number:x}"
            file.write(json.dumps({"id": f"t{number}", "text": text}, ensure_ascii=False) + "\n")


def seconds_by_rule(jobs: list[Job]) -> dict[str, dict[str, float]]:
    """Return core seconds and the peak of any process, by rule."""
    table: dict[str, dict[str, float]] = {}
    for job in jobs:
        row = table.setdefault(job.rule, {"jobs": 0, "core_s": 0.0, "peak_mib": 0.0})
        row["jobs"] += 1
        row["core_s"] += job.elapsed_s * job.threads
        row["peak_mib"] = max(row["peak_mib"], job.totals.peak_rss_bytes / 2**20)
    return table


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp())
    directory.mkdir(parents=True, exist_ok=True)
    corpus = directory / "records.jsonl"
    if not corpus.exists():
        write_records(corpus, options.records)
    settings: dict[str, Any] = {
        "corpus": {"files": [str(corpus)]},
        "model": {"name": str(options.model.resolve())},
        "shards": {"count": options.shards},
    }
    run = run_workflow(directory, settings, timeout=None)
    print(run.stderr[-1_500:])
    jobs = [read_job(path) for path in sorted((directory / "results/.work/jobs").rglob("*.json"))]
    table = seconds_by_rule(jobs)
    for rule, row in table.items():
        print(f"{rule:<16} {row['jobs']:>4.0f} jobs {row['core_s']:>9.1f} core s   peak {row['peak_mib']:>6.0f} MiB")
    around = sum(table[rule]["core_s"] for rule in ("split_part", "number_documents", "merge_parts"))
    print(f"split + number + merge: {around / table['annotate_shard']['core_s']:.1%} of annotate")
    for job in sorted((job for job in jobs if job.workers), key=lambda job: job.totals.documents):
        print(f"  a worker with {job.totals.documents:>9,} documents: {job.totals.peak_rss_bytes / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
