"""A clock that is wrong in one run and right in the next: nothing is lost, and nothing stale is taken for new.

The times of all files that the first run has made are moved: that is all that a run later knows of an earlier clock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from harness import KILL, assert_same_results, make_corpus, make_site

DAY_NS = 86_400 * 10**9


def move_times(tops: Iterable[Path], days: int) -> None:
    """Add some days to the times of all files and directories below `tops`."""
    for path in (found for top in tops for found in (top, *top.rglob("*"))):
        then = path.lstat().st_mtime_ns + days * DAY_NS
        os.utime(path, ns=(then, then), follow_symlinks=False)


@pytest.mark.parametrize("days", [400, pytest.param(-400, marks=pytest.mark.sweep)])
def test_a_corpus_that_changes_after_a_run_under_a_wrong_clock_is_read_again(
    days: int, tiny_pipeline: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_pipeline, tmp_path / "pipeline"))
    corpus = make_corpus(tmp_path / "corpus")
    move_times([model, *corpus], -800)
    site = make_site(tmp_path / "run", model, corpus)
    done = site.start("after results/documents.parquet", KILL)
    assert site.reached, done.stderr
    move_times([site.results, site.directory / ".snakemake"], days)
    corpus[0].write_bytes(corpus[0].read_bytes().replace(b"London", b"Zurich Airport"))
    move_times(corpus[:1], -600)  # before the results, whichever clock made them
    done = site.resume()
    if days > 0:  # Snakemake names the files that are from the future; docs/faults.md has the command
        assert done.returncode != 0 and "clock skew" in done.stderr, done.stderr
        command = f'find {site.results}/.work -exec touch -d "@$(date +%s)" {{}} +'
        subprocess.run(["sh", "-c", command], check=True)
        done = site.resume()
    assert done.returncode == 0, done.stderr
    fresh = make_site(tmp_path / "fresh", model, corpus)
    assert fresh.resume().returncode == 0
    assert_same_results(site, fresh)
