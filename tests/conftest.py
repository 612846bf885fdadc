"""What every kind of test shares: the profiles of hypothesis, one seed, and folders of its own for each process.

`make test` runs several pytest processes side by side (pytest-xdist). The tests of a module run in one of them: what a
module makes for its tests is made once, and there is one Slurm and one browser at a time.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from making import make_once, make_pipeline

# As in a worker (annotate/job.py), and before anything imports NumPy: several processes that each multiply on all cores
# take three times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # tests/gpu runs without
    settings = None

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
if settings is not None:
    # quick: few examples, the same every time (make check); ci: more of them, the same every time (make test);
    # dev: few, and new each time; nightly: a search that may take its time
    settings.register_profile("quick", max_examples=8, deadline=None, derandomize=True, print_blob=True)
    settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True, print_blob=True)
    settings.register_profile("dev", max_examples=20, deadline=None)
    settings.register_profile(
        "nightly", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile(PROFILE)

SEED = pytest.StashKey[int]()
FOLDER = pytest.StashKey[str]()

#: Modules start in this order, by kind: those that take longest come first, so that no process is left with a long one
#: at the end. Kinds that are not named come last.
FIRST = ("slurm", "faults", "workflow", "integration", "property")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="draw moments and samples as an earlier run did, whose header names it")


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", {}).get("seed", config.getoption("--seed"))
    config.stash[SEED] = secrets.randbelow(2**32) if given is None else given
    config.stash[FOLDER] = tempfile.mkdtemp(prefix="shardner-tests-")
    for variable, name in {
        "SHARDNER_LEASES": "leases",
        "XDG_CACHE_HOME": "cache",  # Snakemake's, and fontconfig's
        "XDG_CONFIG_HOME": "config",  # a profile of the user's own would change every run
        "MPLCONFIGDIR": "matplotlib",
        "CUPY_CACHE_DIR": "kernels",
    }.items():
        os.environ[variable] = str(Path(config.stash[FOLDER], name))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the processes of `--numprocesses auto`: one more than cores, for the tests on Slurm mostly wait."""
    return min(len(os.sched_getaffinity(0)), 16) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the seed to a process of pytest-xdist."""
    node.workerinput["seed"] = node.config.stash[SEED]


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[SEED]} (--seed draws the same again); hypothesis profile: {PROFILE}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long kinds first."""

    def order(item: pytest.Item) -> int:
        kind = item.path.parent.name
        return FIRST.index(kind) if kind in FIRST else len(FIRST)

    items.sort(key=order)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Return numbers at random that depend on the seed and on the test alone."""
    return random.Random(f"{request.config.stash[SEED]} {request.node.name}")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return `shared(name, make)`: it lets `make` write a directory, once for all processes; no test may change it."""
    here = tmp_path_factory.getbasetemp()
    top = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    return lambda name, make: make_once(top / "shared" / name, make)


@pytest.fixture(scope="session")
def tiny_pipeline(shared: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Return the directory of a small pipeline with random weights."""
    return shared("pipeline", make_pipeline)
