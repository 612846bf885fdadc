"""Tidying: what lies in the directory of work and is not read any more is removed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shardner.terminal.numbers import plural, size

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tidied:
    """What was removed, and what is left."""

    files: int
    bytes: int
    left_bytes: int  # in the directory of work


def tidy(work: Path, unused: Iterable[Path]) -> Tidied:
    """Remove files and directories in the directory of work; links are removed, not followed.

    Args:
        work: the directory of work.
        unused: what is removed, from `shardner.parse.unused`.
    """
    files = total = 0
    for path in unused:
        found = _sizes(path)
        files, total = files + len(found), total + sum(found)
        log.info("removing %s: %d files, %d bytes", path, len(found), sum(found))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return Tidied(files, total, sum(_sizes(work)))


def describe_tidied(tidied: Tidied, work: Path) -> str:
    """Return what was removed, and what else may be, in two lines."""
    removed = f"removed {plural(tidied.files, 'file')} of parts that the corpus no longer has, {size(tidied.bytes)}"
    if not tidied.files:
        removed = "nothing to remove: all parts are of this corpus"
    return (
        f"{removed}; {size(tidied.left_bytes)} are left in {work}\n"
        f"The results do not need what is left. A run over a changed corpus does: without it, all is annotated anew."
    )


def _sizes(path: Path) -> list[int]:
    """Return the sizes in bytes of a file, or of all files in a directory."""
    if path.is_dir() and not path.is_symlink():
        return [each.lstat().st_size for each in path.rglob("*") if not each.is_dir()]
    return [path.lstat().st_size] if path.exists() or path.is_symlink() else []
