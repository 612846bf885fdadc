"""What lies in the directory of work of parts and shards that the corpus no longer has.

A part is kept for as long as its files are as they were, so that nothing is annotated twice. A part whose file was
changed or removed is not read any more. It stays where it is until someone asks to remove it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Directories with a directory or a file for each part.
OF_PARTS = (
    "shards", "split", "entities", "documents", "rejected", "spans",
    *(f"{kind}/{rule}" for kind in ("jobs", "logs", "benchmarks") for rule in ("split_part", "annotate_shard")),
    "logs/sum_file", "benchmarks/sum_file",
)  # fmt: skip
#: The end of a part's name, and what may follow it in the name of a file.
_PART = re.compile(r"(?P<name>.+-[0-9a-f]{12}|all|empty)(\.(json|log|tsv))?")
_SHARD = re.compile(r"(?P<number>\d{5})\.(parquet|json|log|tsv)")


def find_unused(work: Path, parts: Mapping[str, int]) -> list[Path]:
    """Return files and directories that no later run of this corpus reads.

    Args:
        work: the directory of work.
        parts: the number of shards of each part of the corpus, by name.
    """
    return sorted(path for directory in OF_PARTS for path in _find(work / directory, parts))


def _find(directory: Path, parts: Mapping[str, int]) -> Iterator[Path]:
    for path in _entries(directory):
        match = _PART.fullmatch(path.name)
        if match is None:
            continue
        if match["name"] not in parts:
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _find_shards(path, parts[match["name"]])


def _find_shards(directory: Path, shards: int) -> Iterator[Path]:
    for path in _entries(directory):
        match = _SHARD.fullmatch(path.name)
        if match is not None and int(match["number"]) >= shards:
            yield path


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
