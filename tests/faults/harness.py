"""Runs that are damaged at a named moment, started again, and compared with one that nothing has disturbed.

A test says what happens when: `Site.start("before results/entities.parquet", KILL)`. The moments are those of
`injected/sitecustomize.py`; `Site.moments` of an undisturbed run lists all that there are. A damage is a command, which
the process that reaches the moment runs and waits for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from making import clean_environment, make_texts, run_workflow, snakemake_command, wait_for, write_config, write_jsonl
from shardner.data.tables import find_table

INJECTED = Path(__file__).parent / "injected"
TABLES = ("entities", "documents", "rejected")

#: SIGKILL for all processes of the run at once, as when the machine goes down.
KILL = ("sh", "-c", "kill -KILL 0")
NOTHING = ("true",)


def fill(disk: Path) -> tuple[str, ...]:
    """Return the command that takes what is free on a disk."""
    return ("sh", "-c", f"cat /dev/zero > '{disk}/filler' 2>/dev/null; true")


def replace(path: Path, by: Path) -> tuple[str, ...]:
    """Return the command that replaces a file by another one, with the other one's time."""
    return ("cp", "-p", str(by), str(path))


def flip(path: Path) -> tuple[str, ...]:
    """Return the command that changes a bit in the middle of a file."""
    change = "p = pathlib.Path(sys.argv[1]); b = bytearray(p.read_bytes()); b[len(b) // 2] ^= 1; p.write_bytes(b)"
    return (sys.executable, "-c", f"import pathlib, sys; {change}", str(path))


def make_corpus(directory: Path) -> list[Path]:
    """Write a corpus with records that are rejected, and ids that occur in two files."""
    texts = make_texts(300, seed=5)
    directory.mkdir(parents=True, exist_ok=True)
    first, second = (write_jsonl(directory / f"{name}.jsonl", texts[:size]) for name, size in (("b", 200), ("a", 150)))
    second.write_bytes(second.read_bytes().replace(b'{"id": "d', b'{"id": "e', 50) + b"{broken\n")
    return [first, second]


def make_site(directory: Path, model: Path, corpus: Sequence[Path], **output: Any) -> Site:
    """Return a site for a run over `corpus`, in several parts of several shards."""
    directory.mkdir(parents=True, exist_ok=True)
    given = {
        "corpus": {"files": [str(path) for path in corpus]},
        "model": {"name": str(model)},
        "output": {"formats": ["parquet", "jsonl", "csv"], **output},
    }
    site = Site(directory, given)
    site.make_parts_small()
    return site


@dataclass
class Site:
    """A directory in which a run is started, damaged, and started again.

    Attributes:
        directory: where Snakemake is started; the results lie in ``results``, unless `given` says otherwise.
        given: the configuration.
        variables: further environment variables.
    """

    directory: Path
    given: Mapping[str, Any]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        """The directory of the results."""
        return self.directory / self.given["output"].get("dir", "results")

    @property
    def reached(self) -> bool:
        """Whether the moment of the last start was reached."""
        return (self.directory / "reached").exists()

    @property
    def moments(self) -> list[str]:
        """All moments of the last start, in their order, each once; but how far jobs are is written by the clock."""
        seen = (self.directory / "seen").read_text().splitlines()
        return list(dict.fromkeys(moment for moment in seen if not moment.endswith(".progress")))

    def make_parts_small(self) -> None:
        """Let a small corpus have several parts, each of several shards."""
        kept = self.results / ".work/sizes.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"shard_chars": 10_000, "part_chars": 10_000, "chars_per_s": 2_500}))

    def start(self, moment: str, damage: Sequence[str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Start the run, damage it at a moment, and wait until it and all its processes have ended."""
        for name in ("seen", "reached"):
            (self.directory / name).unlink(missing_ok=True)
        plan = {
            "directory": str(self.directory),
            "moment": moment,
            "damage": list(damage),
            "seen": str(self.directory / "seen"),
            "reached": str(self.directory / "reached"),
        }
        environment = {
            **clean_environment(), **self.variables, "SHARDNER_FAULT": json.dumps(plan), "PYTHONPATH": str(INJECTED),
        }  # fmt: skip
        config = write_config(self.directory, self.given)
        command = snakemake_command(self.directory, *arguments, "--configfile", str(config))
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=600, start_new_session=True
        )
        wait_for(lambda: not processes_of(self.directory), "the processes of the run end")
        return done

    def resume(self) -> subprocess.CompletedProcess[str]:
        """Start the run again as a user would, after a kill; nothing disturbs it."""
        self.unlock()
        return run_workflow(self.directory, self.given)

    def unlock(self) -> None:
        """Remove Snakemake's lock, which a killed run leaves."""
        run_workflow(self.directory, self.given, "--unlock")

    def forget(self) -> None:
        """Remove all results, and what Snakemake knows of them."""
        for path in (self.results, self.directory / ".snakemake"):
            shutil.rmtree(path)
        self.make_parts_small()


def processes_of(directory: Path) -> list[int]:
    """Return the processes, whatever their parents, that work on files below `directory`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(directory) in (process / "cmdline").read_text() or (process / "cwd").readlink() == directory:
                found.append(int(process.name))
        except OSError:
            continue
    return [process for process in found if process != os.getpid()]


def assert_same_results(found: Site, expected: Site) -> None:
    """Compare the tables and exports of a run with those of another one of the same corpus, and look for leftovers."""
    for name in TABLES:
        tables = [pl.read_parquet(find_table(site.results, name)) for site in (found, expected)]
        assert tables[0].equals(tables[1]), f"{name} differs"
    for path in (path for kind in ("jsonl", "csv") for path in expected.results.rglob(f"*.{kind}")):
        name = path.relative_to(expected.results)
        if ".work" not in name.parts:
            assert (found.results / name).read_bytes() == path.read_bytes(), f"{name} differs"
    left = [path for path in found.results.rglob(".*") if path.suffix in (".tmp", ".scratch")]
    assert not left, left
