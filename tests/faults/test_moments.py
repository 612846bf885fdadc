"""Promise 3 at every named moment of a run: damage is done there, the run is started again, the results are the same.

`make test` tries a sample that differs each time; `make test-faults` tries all.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import KILL, NOTHING, Site, assert_same_results, fill, flip, make_corpus, make_site, replace

LAYOUTS = ("file", "dataset")
#: Kills, one after the other, that one test makes: a run is killed, goes on, is killed again, …
CHAINS = 12
SAMPLE = 2
RULES = (
    "prepare_model", "split_part", "number_documents", "annotate_shard", "merge_parts", "export_jsonl",
    "report_performance",
)  # fmt: skip

Count = Callable[[str, int], None]
Undisturbed = Callable[[str], Site]


def in_sweep(value: str) -> Any:
    """Return a parameter for which `make test` has no time."""
    return pytest.param(value, marks=pytest.mark.sweep)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def undisturbed(corpus: list[Path], tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return a function that gives a run that nothing disturbs, of one layout."""
    made: dict[str, Site] = {}

    def make(layout: str) -> Site:
        if layout not in made:
            site = make_site(tmp_path_factory.mktemp(layout), tiny_pipeline, corpus, layout=layout)
            done = site.start("none", NOTHING)
            assert done.returncode == 0, done.stderr
            made[layout] = site
        return made[layout]

    return make


def kill_at(site: Site, moments: Sequence[str], expected: Site) -> int:
    """Kill a run at one moment after the other, and return how many of them were reached."""
    reached = 0
    for moment in moments:
        done = site.start(moment, KILL)
        reached += site.reached
        if site.reached:
            site.unlock()
            continue
        # what the moment belongs to was done before the last kill: from nothing, it comes
        assert done.returncode == 0, done.stderr
        assert_same_results(site, expected)
        site.forget()
        site.start(moment, KILL)
        assert site.reached, f"{moment} is never reached"
        reached += 1
        site.unlock()
    done = site.resume()
    assert done.returncode == 0, done.stderr
    assert_same_results(site, expected)
    return reached


@pytest.mark.sweep
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chain", range(CHAINS))
def test_a_run_that_is_killed_at_any_moment_ends_in_the_same_files(
    chain: int, layout: str, undisturbed: Undisturbed, corpus: list[Path], tiny_pipeline: Path, tmp_path: Path,
    count: Count,
) -> None:  # fmt: skip
    expected = undisturbed(layout)
    site = make_site(tmp_path, tiny_pipeline, corpus, layout=layout)
    count("kills", kill_at(site, expected.moments[chain::CHAINS], expected))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_that_is_killed_at_some_moments_ends_in_the_same_files(
    layout: str, undisturbed: Undisturbed, corpus: list[Path], tiny_pipeline: Path, tmp_path: Path,
    rng: random.Random, count: Count,
) -> None:  # fmt: skip
    expected = undisturbed(layout)
    site = make_site(tmp_path, tiny_pipeline, corpus, layout=layout)
    places = sorted(rng.sample(range(len(expected.moments)), SAMPLE))
    count("kills", kill_at(site, [expected.moments[place] for place in places], expected))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB, in memory."""
    path = tmp_path / "disk"
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.sweep
@pytest.mark.parametrize("place", ["results", "temporary files"])
@pytest.mark.parametrize("rule", RULES)
def test_a_disk_that_is_full_when_a_job_starts_is_named_and_the_run_goes_on(
    rule: str, place: str, undisturbed: Undisturbed, corpus: list[Path], tiny_pipeline: Path, tmp_path: Path,
    disk: Path, count: Count,
) -> None:  # fmt: skip
    output = {"dir": str(disk / "results")} if place == "results" else {}
    site = make_site(tmp_path / "run", tiny_pipeline, corpus, **output)
    site.variables = {} if place == "results" else {"TMPDIR": str(disk)}
    done = site.start(f"begin {rule}", fill(disk), "--retries", "0")
    assert site.reached and "please report it" not in done.stderr
    if place == "results" or done.returncode:  # not every job needs temporary files
        assert done.returncode and f"the disk of {disk}" in done.stderr and "is full" in done.stderr, done.stderr
        count("full disks", 1)
    (disk / "filler").unlink()
    done = site.resume()
    assert done.returncode == 0, done.stderr
    assert_same_results(site, undisturbed("file"))


@pytest.mark.parametrize(
    "moment", ["begin annotate_shard", *map(in_sweep, ("begin merge_parts", "after results/documents.parquet"))]
)
def test_a_corpus_that_is_replaced_while_the_run_goes_on_is_never_in_a_mixed_result(
    moment: str, corpus: list[Path], tiny_pipeline: Path, tmp_path: Path, count: Count
) -> None:
    first, second = (Path(shutil.copy2(path, tmp_path)) for path in corpus)
    other = tmp_path / "other"
    other.write_bytes(first.read_bytes().replace(b"London", b"Zurich"))
    site = make_site(tmp_path, tiny_pipeline, [first, second])
    site.start(moment, replace(first, other))
    assert site.reached
    count("replaced files", 1)
    done = site.resume()
    assert done.returncode == 0, done.stderr
    fresh = make_site(tmp_path / "fresh", tiny_pipeline, [first, second])
    assert fresh.resume().returncode == 0
    assert_same_results(site, fresh)


@pytest.mark.parametrize("table", ["entities", *map(in_sweep, ("documents", "rejected"))])
def test_a_bit_that_flips_before_the_merge_is_found_and_the_named_file_makes_it_again(
    table: str, undisturbed: Undisturbed, corpus: list[Path], tiny_pipeline: Path, tmp_path: Path,
    count: Count,
) -> None:  # fmt: skip
    expected = undisturbed("file")
    damaged = next(path for path in expected.moments if path.startswith(f"after results/.work/{table}/"))
    site = make_site(tmp_path, tiny_pipeline, corpus)
    done = site.start("begin merge_parts", flip(tmp_path / damaged.removeprefix("after ")))
    assert done.returncode and "MergeError" in done.stderr, done.stderr
    count("flipped bits", 1)
    named = re.search(r"remove (\S+) and run again", done.stderr)
    assert named, done.stderr
    (site.results / named[1]).unlink()
    done = site.resume()
    assert done.returncode == 0 and done.stderr.count("Annotating shard") == 1, done.stderr
    assert_same_results(site, expected)
