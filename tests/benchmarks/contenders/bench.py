"""Measure Shardner beside what one would use instead, from a corpus on disk to a table of entities on disk.

    python tests/benchmarks/contenders/bench.py [--model PIPELINE] [--corpora KIND=FILE …] [--sizes …] [--repeats …]

The kinds of corpora are messages, paragraphs and long documents. Without --corpora they are generated;
the generated texts have few different words, which suits caches, so figures that matter want files of real text
(JSON lines with `text`, .gz or not).

    --sizes 1,4,16                  megabytes of text, ascending, of every kind
    --sizes messages=0.3,0.6,1.2    of one kind; those not named keep the default
    --repeats 5,3,1                 how often at the first, second … size
    --repeats shardner=5,5,5 ray=1,1,0     of one contender; 0: not at that size

Each measurement is a file, and so is each comparison of its entities with those of `nlp.pipe` in one process. Running
again measures what is not there yet: more repeats, another contender, a larger size. So one can run everything once,
and then what matters several times:

    bench.py --repeats 1
    bench.py --repeats 3 --contenders spacy pool-documents shardner

Writes results.json, results.md, growth.svg, largest.svg and scaling.svg into --out, of all measurements that are there.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "workflow" / "scripts")]

import psutil
from benchmarks.contenders.figures import (
    as_rows,
    measure_growth,
    measure_scaling,
    profile,
    read_measurements,
    summarise,
)
from benchmarks.contenders.plan import CONTENDERS, HERE, KINDS, Cell, count_cores, plan_cells, why_not
from benchmarks.contenders.plots import draw_all
from benchmarks.contenders.tables import render

SIZES = ["0.2", "0.8", "3.2"]
REPEATS = [2, 1, 1]
PACKAGES = ("spacy", "thinc", "numpy", "polars", "snakemake", "torch", "ray", "datasets", "pyarrow")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("resources/demo/pipeline"))
    parser.add_argument("--corpora", nargs="+", default=[], metavar="KIND=FILE")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", nargs="+", default=[], metavar="[KIND=]MB,MB…")
    parser.add_argument("--repeats", nargs="+", default=[], metavar="[CONTENDER=]N,N…")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--cores", type=int, default=count_cores())
    parser.add_argument(
        "--scaling", choices=KINDS, help="measure Shardner with 1, 2, 4 … cores, too, on the largest size"
    )
    parser.add_argument("--timeout", type=float, default=7_200.0, help="seconds that a measurement may take")
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    options = parser.parse_args(arguments)
    try:
        options.corpora = parse_named(options.corpora, KINDS)
        sizes, repeats = parse_named(options.sizes, ["", *KINDS]), parse_named(options.repeats, ["", *CONTENDERS])
        default = sizes.pop("", ",".join(SIZES))
        options.sizes = {kind: parse_sizes(sizes.get(kind, default)) for kind in options.kinds}
        options.repeats = {"": REPEATS} | {key: [int(one) for one in each.split(",")] for key, each in repeats.items()}
    except ValueError as error:
        parser.error(str(error))
    if options.scaling and options.scaling not in options.kinds:
        parser.error(f"--scaling {options.scaling}, but --kinds are {', '.join(options.kinds)}")
    if "" in options.corpora or not (options.model / "meta.json").is_file():
        parser.error(f"--model {options.model} is no directory of a pipeline; --corpora take KIND=FILE")
    return options


def parse_named(values: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return ``KIND=VALUE`` as a mapping; a value without a name is named ``""``."""
    pairs = [value.split("=", 1) if "=" in value else ["", value] for value in values]
    for name, value in pairs:
        if name not in (*names, ""):
            raise ValueError(f"{name}={value}: {name!r} is none of {', '.join(filter(None, names))}")
    return {name: value for name, value in pairs}


def parse_sizes(value: str) -> list[str]:
    """Return megabytes, ascending, as they name files."""
    return [f"{size:g}" for size in sorted(float(one) for one in value.split(","))]


def write_plan(options: argparse.Namespace, contenders: Sequence[str]) -> Path:
    """Write what Snakemake reads."""
    cells: list[Cell] = plan_cells(options.sizes, contenders, options.repeats, options.cores, options.scaling)
    identity = identify(options)
    (options.out / "identity.json").write_text(json.dumps(identity, indent=1) + "\n")
    plan = {
        "model": identity["model"],
        "sources": identity["sources"],
        "smallest": {kind: sizes[0] for kind, sizes in options.sizes.items()},
        "cores": options.cores,
        "timeout_s": options.timeout,
        "cells": [[getattr(cell, name) for name in Cell.__slots__] for cell in cells],
    }
    path = options.out / "plan.json"
    path.write_text(json.dumps(plan, indent=1) + "\n")
    return path


def identify(options: argparse.Namespace) -> dict[str, Any]:
    """Return what is measured with; refuse to mix measurements of different things in one directory."""
    kept = options.out / "identity.json"
    before = json.loads(kept.read_text()) if kept.is_file() else {"sources": {}}
    given = {kind: str(Path(file).resolve()) for kind, file in options.corpora.items()}
    changed = [
        f"corpus of {kind}"
        for kind, file in given.items()
        if file != before["sources"].get(kind) and any((options.out / "corpora").glob(f"{kind}-*.json"))
    ]
    sha256 = checksum(options.model)
    changed += ["pipeline"] if before.get("sha256", sha256) != sha256 else []
    if changed:
        sys.exit(f"{options.out} holds measurements of another {' and '.join(changed)}: give another --out")
    return {"model": str(options.model.resolve()), "sha256": sha256, "sources": before["sources"] | given}


def checksum(model: Path) -> str:
    """Return a checksum over a directory's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(model)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def warm_up(out: Path, plan: Path) -> None:
    """Read what contenders import, if anybody is to be measured: the first one should not pay for a cold disk."""
    cells = [Cell(*each) for each in json.loads(plan.read_text())["cells"]]
    missing = [cell for cell in cells if not (out / cell.path("measurements", ".json")).is_file()]
    packages = {package for cell in missing for package in CONTENDERS[cell.contender].needs}
    for package in sorted({"spacy", "snakemake.cli", *packages} if missing else ()):
        subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True, check=False)


def run_plan(out: Path, plan: Path, cores: int) -> int:
    """Measure and compare; what fails does not keep the rest from being measured."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(HERE / "Snakefile"), "--directory", str(out),
        "--configfile", str(plan.resolve()), "--cores", str(cores), "--workflow-profile", "none",
        "--rerun-triggers", "mtime", "--rerun-incomplete", "--scheduler", "greedy", "--keep-going",
        "--quiet", "host", "reason",
    ]  # fmt: skip
    return subprocess.run(command, check=False).returncode


def describe_machine(model: Path) -> dict[str, Any]:
    """Return where and with what this was measured."""
    meta = json.loads((model / "meta.json").read_text())
    versions = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": name_cpu(),
        "cores": count_cores(),
        "memory_gib": psutil.virtual_memory().total / 2**30,
        "system": platform.platform(),
        "load_before": psutil.getloadavg()[0],
        "pipeline": f"{meta['lang']}_{meta['name']} {meta['version']}",
        "versions": versions,
    }


def name_cpu() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def write_results(out: Path, machine: Mapping[str, Any], cores: int, skipped: Mapping[str, str]) -> str:
    """Write results.json, results.md and the plots of all measurements that are there; return the tables."""
    measurements = read_measurements(out)
    summaries = summarise(measurements)
    growths, scaling = measure_growth(summaries, cores), measure_scaling(summaries)
    results = {
        "machine": machine,
        "settings": {"cores": cores},
        "skipped": dict(skipped),
        "corpora": {f"{each['kind']}-{each['megabytes']}": each["corpus"] for each in measurements},
        "summaries": as_rows(summaries),
        "growth": as_rows(growths),
        "scaling": scaling,
        "profiles": profile_largest(out, measurements, cores),
        "measurements": measurements,
    }
    tables = render(results, summaries, growths)
    (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "results.md").write_text(tables, encoding="utf-8")
    draw_all(out, summaries, scaling, cores)
    return tables


def profile_largest(out: Path, measurements: Sequence[Mapping[str, Any]], cores: int) -> dict[str, Any]:
    """Return the profile of Shardner's first run at the largest size of each kind."""
    found = {}
    for kind in KINDS:
        ours = [each for each in measurements if (each["kind"], each["contender"]) == (kind, "shardner")]
        ours = [each for each in ours if each["cores"] == cores and each["reason"] is None]
        if ours:
            run = max(ours, key=lambda each: (each["corpus"]["bytes"], -each["repeat"]))
            cell = Cell(*(run[name] for name in Cell.__slots__))
            performance = json.loads((out / cell.path("tables", ".performance.json")).read_text())
            found[f"{kind}, {run['corpus']['bytes'] / 1e6:.1f} MB"] = profile(performance, run["wall_s"], cores)
    return found


def main() -> None:
    """Measure what is missing, and show everything."""
    options = parse_arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(options.model)
    skipped = {name: reason for name in options.contenders if (reason := why_not(CONTENDERS[name]))}
    plan = write_plan(options, [name for name in options.contenders if name not in skipped])
    warm_up(options.out, plan)
    status = run_plan(options.out, plan, options.cores)
    print(write_results(options.out, machine, options.cores, skipped))
    print(f"written: {options.out}/results.json, results.md, growth.svg, largest.svg, scaling.svg")
    sys.exit(status)


if __name__ == "__main__":
    main()
