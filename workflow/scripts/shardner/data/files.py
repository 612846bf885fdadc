"""Files that are either complete or not there: they are written beside the target, then renamed.

Each attempt has a temporary name of its own. An old attempt may still run on another node (of a cluster job that was
queued again, for instance), and must not write into the same file as the new one. The name tells host and process, for
a person who finds such a file. Processes in containers may share both, so there is a random part as well.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a path to write to; rename it to `target` when the block succeeds, remove it when it fails.

    The content of the file reaches the disk before the new name does, so a crash of the machine leaves no empty result.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.{token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(target: Path, text: str) -> None:
    """Write `text` as UTF-8 to `target`, completely or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def scratch_directory(beside: Path) -> Iterator[Path]:
    """Yield a temporary directory and remove it at the end.

    It lies in ``$SLURM_TMPDIR`` or ``$TMPDIR`` if set, else next to the file `beside`.
    """
    chosen = os.environ.get("SLURM_TMPDIR") or os.environ.get("TMPDIR")
    parent = Path(chosen) if chosen else beside.parent
    parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f".{beside.name}.", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
