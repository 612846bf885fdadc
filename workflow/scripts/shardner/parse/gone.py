"""What lies no longer where the jobs of shards and parts wrote it.

The merge asks for what it reads of that, once. When it is done nothing does, and Snakemake would not miss a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def find_gone(work: Path, wanted: Iterable[Path]) -> list[Path]:
    """Return those files that lie no longer in the directory of work of a run that was merged, or began to be.

    Args:
        work: the directory of work.
        wanted: what those jobs write; a directory is looked at once, so those of one come together best.
    """
    jobs = work / "jobs"
    if not any((jobs / name).exists() for name in ("merge_parts.json", "merge_part", "check_dataset.json")):
        return []
    there: dict[str, frozenset[str]] = {}
    return [path for path in wanted if path.name not in _names(str(path.parent), there)]


def _names(directory: str, there: dict[str, frozenset[str]]) -> frozenset[str]:
    if directory not in there:
        try:
            with os.scandir(directory) as entries:
                there[directory] = frozenset(entry.name for entry in entries)
        except OSError:
            there[directory] = frozenset()
    return there[directory]
