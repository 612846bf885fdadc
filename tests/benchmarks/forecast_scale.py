"""What corpora of 100 GB, 1 TB and 60 TB would take, by the rates of a run: the tables of docs/scale.md.

    python tests/benchmarks/forecast_scale.py results/performance.json [--gpu-chars-per-s 10000000]

The rates are those of the run's own forecast, one core a slot. For GPUs only annotation is faster, and splitting and
merging have sixteen cores beside each GPU. The speed of a GPU is the constant that plans use: it is not measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow" / "scripts"))

from shardner.parse.part_plan import plan_parts
from shardner.parse.shard_plan import CHARS_PER_S, GPU_CHARS_PER_S, decide_sizes
from shardner.report.forecast import Plan, Rates, extrapolate, model_wall
from shardner.report.performance_file import load_performance

SIZES = {"100 GB": 10**11, "1 TB": 10**12, "60 TB": 6 * 10**13}
CORES_A_GPU = 16
#: Numbers of slots of each kind.
SLOTS = {"core": (16, 128, 1_000), "GPU": (1, 8, 64)}
#: Files of which the corpora are made.
FILE_BYTES = 10**10


def plan(chars: int, chars_per_s: float) -> Plan:
    """Return how a corpus of JSON lines is split, in files of `FILE_BYTES`."""
    files = [(Path(f"{number:05d}.jsonl"), FILE_BYTES) for number in range(chars // FILE_BYTES)]
    parts = plan_parts(files, decide_sizes(chars, chars_per_s), lambda path: True)
    return Plan(len(parts), sum(part.shards for part in parts))


def show(rates: Rates, kind: str, usual: float) -> None:
    """Print a table: a row for each size and number of slots."""
    print(f"| text | {kind}s | parts | shards | jobs | a shard | all | half is serial from |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, chars in SIZES.items():
        planned, times = plan(chars, usual), chars / rates.chars
        grown = dataclasses.replace(scaled(rates, times), parts=planned.parts, shards=planned.shards)
        row = extrapolate(grown, partial(plan, chars_per_s=usual))[0]
        shard_s = rates.start_up_slot_s + times * rates.work_slot_s / planned.shards
        for count in SLOTS[kind]:
            wall_s = model_wall(grown, 1, planned, count).wall_s
            cells = [name, count, planned.parts, planned.shards, 2 * planned.parts + planned.shards + 8]
            shown = [f"{cell:,}" if isinstance(cell, int) else cell for cell in cells]
            print("| " + " | ".join([*shown, hours(shard_s), hours(wall_s), f"{row.half_serial_slots:,.0f}"]) + " |")


def scaled(rates: Rates, times: float) -> Rates:
    """Return the rates of a corpus so many times as large."""
    grown = {name: getattr(rates, name) * times for name in ("work_slot_s", "split_s", "number_s", "merge_s")}
    return dataclasses.replace(rates, chars=int(rates.chars * times), **grown)


def hours(seconds: float) -> str:
    """Return a time in the unit that fits."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"


def main() -> None:
    """Read the rates of a run, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("performance", type=Path)
    parser.add_argument("--gpu-chars-per-s", type=float, default=GPU_CHARS_PER_S)
    options = parser.parse_args()
    forecast = load_performance(options.performance).forecast
    assert forecast is not None
    rates = dataclasses.replace(forecast.rates, merges_at_once=None)  # `layout: dataset`
    print(rates)
    show(rates, "core", CHARS_PER_S)
    work_s = rates.chars / options.gpu_chars_per_s
    show(dataclasses.replace(rates, work_slot_s=work_s, cores_a_slot=CORES_A_GPU), "GPU", options.gpu_chars_per_s)


if __name__ == "__main__":
    main()
