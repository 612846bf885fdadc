"""What follows from the measurements: medians, ratios, how time grows with size, what is fixed, how cores add up."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.contenders.plan import CONTENDERS, KINDS, Cell, parse_cell

#: A fixed cost below this share of the time is no longer worth a thought.
SMALL_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Summary:
    """All measurements of a contender on a corpus with a number of cores. Seconds are medians of those that ended."""

    kind: str
    megabytes: float  # as it came out
    size: str  # as it was asked for
    contender: str
    cores: int
    repeats: int
    wall_s: float | None
    least_s: float | None
    most_s: float | None
    cpu_s: float | None
    peak_tree_bytes: int
    peak_process_bytes: int
    ratio: float | None  # of its median to Shardner's on the same corpus with the same cores
    reason: str | None  # why it failed
    verdict: str
    comparison: Mapping[str, Any]  # of the worst repeat


@dataclass(frozen=True, slots=True)
class Growth:
    """How a contender's time grows with the size of a corpus of one kind."""

    kind: str
    contender: str
    exponent: float | None  # of time by size, by least squares over logarithms; from two sizes on
    fixed_s: float | None  # what the two smallest sizes leave for a size of nothing
    s_per_megabyte: float | None  # between the same two
    small_at_megabytes: float | None  # the size from which on the fixed cost is a small share


def growth_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Return the slope of log time over log size by least squares; None for fewer than two sizes."""
    if len(set(sizes)) < 2:
        return None
    slope, _ = statistics.linear_regression([math.log(size) for size in sizes], [math.log(each) for each in seconds])
    return slope


def fixed_cost(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float] | None:
    """Return what a line through the two smallest sizes has at zero, and its slope; None for fewer than two."""
    pairs = sorted(zip(sizes, seconds, strict=True))[:2]
    if len(pairs) < 2 or pairs[0][0] == pairs[1][0]:
        return None
    slope = (pairs[1][1] - pairs[0][1]) / (pairs[1][0] - pairs[0][0])
    return pairs[0][1] - slope * pairs[0][0], slope


def size_of_share(fixed_s: float, slope: float, share: float = SMALL_SHARE) -> float | None:
    """Return the size at which a fixed cost is `share` of the whole; None where the line says nothing of it."""
    return fixed_s * (1 - share) / (share * slope) if fixed_s >= 0 and slope > 0 else None


def read_measurements(directory: Path) -> list[dict[str, Any]]:
    """Return every measurement that is there, with its cell, its corpus's facts and its comparison (or None)."""
    found = []
    for path in sorted((directory / "measurements").glob("*/*.json")):
        cell = parse_cell(path)
        compared = directory / cell.path("comparisons", ".json")
        found.append(
            {
                **{name: getattr(cell, name) for name in Cell.__slots__},
                **json.loads(path.read_text()),
                "corpus": json.loads((directory / "corpora" / f"{cell.corpus}.json").read_text()),
                "comparison": json.loads(compared.read_text()) if compared.is_file() else None,
            }
        )
    return found


def summarise(measurements: Sequence[Mapping[str, Any]]) -> list[Summary]:
    """Return one summary for each contender, corpus and number of cores, by kind, size, cores and contender."""
    groups: dict[tuple[str, str, str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for each in measurements:
        groups[each["kind"], each["megabytes"], each["contender"], each["cores"]].append(each)
    medians = {key: _median(members, "wall_s") for key, members in groups.items()}
    order = list(CONTENDERS)
    keys = sorted(groups, key=lambda key: (KINDS.index(key[0]), float(key[1]), key[3], order.index(key[2])))
    return [_summarise(key, groups[key], medians[key], medians.get((*key[:2], "shardner", key[3]))) for key in keys]


def _summarise(
    key: tuple[str, str, str, int], members: Sequence[Mapping[str, Any]], median: float | None, ours: float | None
) -> Summary:
    ended = [each["wall_s"] for each in members if each["reason"] is None]
    order = ("identical", "near-ties", "different", "failed")
    comparisons = [each["comparison"] or {"verdict": "not compared"} for each in members]
    worst = max(comparisons, key=lambda each: order.index(each["verdict"]) if each["verdict"] in order else -1)
    return Summary(
        kind=key[0],
        megabytes=members[0]["corpus"]["bytes"] / 1e6,
        size=key[1],
        contender=key[2],
        cores=key[3],
        repeats=len(members),
        wall_s=median,
        least_s=min(ended, default=None),
        most_s=max(ended, default=None),
        cpu_s=_median(members, "cpu_s"),
        peak_tree_bytes=max(each["peak_tree_bytes"] for each in members),
        peak_process_bytes=max(each["peak_process_bytes"] for each in members),
        ratio=median / ours if median and ours else None,
        reason=next((each["reason"] for each in members if each["reason"] is not None), None),
        verdict=worst["verdict"],
        comparison=worst,
    )


def _median(members: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [each[name] for each in members if each["reason"] is None]
    return statistics.median(values) if values else None


def measure_growth(summaries: Sequence[Summary], cores: int) -> list[Growth]:
    """Return how each contender's time grows on each kind, with `cores` cores."""
    points: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for each in summaries:
        if each.cores == cores and each.wall_s is not None:
            points[each.kind, each.contender].append((each.megabytes, each.wall_s))
    found = []
    for (kind, contender), pairs in points.items():
        sizes, seconds = zip(*pairs, strict=True)
        line = fixed_cost(sizes, seconds)
        small = size_of_share(*line) if line else None
        found.append(Growth(kind, contender, growth_exponent(sizes, seconds), *(line or (None, None)), small))
    return sorted(found, key=lambda each: (KINDS.index(each.kind), list(CONTENDERS).index(each.contender)))


def measure_scaling(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Return, where Shardner ran with several numbers of cores, how much faster each is than one core."""
    found = []
    ours = [each for each in summaries if each.contender == "shardner" and each.wall_s]
    for one in (each for each in ours if each.cores == 1):
        same = [each for each in ours if (each.kind, each.size) == (one.kind, one.size)]
        for each in same if len(same) > 1 else []:
            speedup = one.wall_s / each.wall_s  # type: ignore[operator]
            row = {name: getattr(each, name) for name in ("kind", "size", "megabytes", "cores", "repeats", "wall_s")}
            found.append({**row, "speedup": speedup, "efficiency": speedup / each.cores})
    return found


def profile(performance: Mapping[str, Any], wall_s: float, cores: int) -> list[tuple[str, float]]:
    """Return where a run's core seconds went (wall time times cores), as shares; they add up to 1.

    A phase of the annotate jobs counts all their workers' seconds, any other job one core. What is left is Snakemake's:
    its start, its work between jobs, starting each of them, and cores for which it had none.
    """
    whole = wall_s * cores
    phases = {each["phase"]: each["worker_s"] for each in performance["phases"]}
    rules = {each["rule"]: each["total_s"] for each in performance["rules"]}
    named = {
        "start workers": phases.pop("start_up", 0.0),
        "load the pipeline": phases.pop("load", 0.0) + rules.get("prepare_model", 0.0),
        "split": rules.get("split_part", 0.0),
        **{name: phases.pop(name, 0.0) for name in ("read", "tokenize", "encode", "decode")},
        "recognise (stock)": phases.pop("recognise", 0.0),
        "audit": phases.pop("audit", 0.0),
        "write": phases.pop("write", 0.0),
        "merge": rules.get("number_documents", 0.0) + rules.get("merge_parts", 0.0),
        "workers idle": phases.pop("idle", 0.0),
    }
    named["other phases"] = sum(phases.values())
    rest = whole - sum(named.values())
    shares = [(name, seconds / whole) for name, seconds in named.items() if seconds]
    return [*shares, ("Snakemake, report, and cores without a job", rest / whole)]


def as_rows(figures: Sequence[Any]) -> list[dict[str, Any]]:
    """Return dataclasses ready for JSON."""
    return [asdict(each) for each in figures]
