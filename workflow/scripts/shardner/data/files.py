"""Files that are either complete or not there: they are written beside the target, then renamed.

Each attempt has a temporary name of its own. An old attempt may still run on another node (of a cluster job that was
queued again, for instance), and must not write into the same file as the new one. The name tells host and process, so
that what a killed process left can be removed (see `leftovers`). Processes in containers may share both, so there is a
random part as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from shardner.data.stored_files import is_stored, look_up

#: The hashes of a directory's files lie in a file of this name.
_DIGESTS = "digests.json"
#: How temporary names end: those of files, which lie beside their targets, and of directories.
FILE_SUFFIX, SCRATCH_SUFFIX = ".tmp", ".scratch"


def temporary_name(name: str, suffix: str) -> str:
    """Return a name that no other process gives: ``.<name>.<host>.<pid>.<random><suffix>``."""
    return f".{name}.{socket.gethostname()}.{os.getpid()}.{token_hex(4)}{suffix}"


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a path to write to; rename it to `target` when the block succeeds, remove it when it fails.

    The content of the file reaches the disk before the new name does, so a crash of the machine leaves no empty result.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(temporary_name(target.name, FILE_SUFFIX))
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


def keep_copy(path: Path, kept: Path) -> None:
    """Copy a text, before a run takes it away; what cannot be read is not kept."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    write_text_atomically(kept, text)


@contextmanager
def scratch_directory(beside: Path) -> Iterator[Path]:
    """Yield a temporary directory and remove it at the end.

    It lies in `scratch_parent`, or next to the file `beside`.
    """
    parent = scratch_parent() or beside.parent
    parent.mkdir(parents=True, exist_ok=True)
    directory = parent / temporary_name(beside.name, SCRATCH_SUFFIX)
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def scratch_parent() -> Path | None:
    """Return the directory that the scheduler or the user gives for temporary files: ``$SLURM_TMPDIR``, ``$TMPDIR``."""
    chosen = os.environ.get("SLURM_TMPDIR") or os.environ.get("TMPDIR")
    return Path(chosen) if chosen else None


def digest_of(path: Path) -> str:
    """Return a hash of a file's content (BLAKE2b, 128 bits, hexadecimal), by which it is known if a bit has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_digests(directory: Path, names: Sequence[str]) -> None:
    """Write the hashes of files in a directory into a file beside them."""
    digests = {name: digest_of(directory / name) for name in names}
    write_text_atomically(directory / _DIGESTS, json.dumps(digests) + "\n")


def is_as_written(path: Path) -> bool:
    """Tell whether a file is, to the bit, what `write_digests` saw; yes where nothing is known about it.

    Raises:
        OSError: it cannot be read.
    """
    try:
        wanted = json.loads((path.parent / _DIGESTS).read_bytes())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return bool(wanted.get(path.name) == digest_of(path))


def state_of(path: Path) -> tuple[int, int] | None:
    """Return the size of a file and the time of its last change, in nanoseconds; None if there is none.

    A file that is replaced by another one has another state, even if the other one is older.
    """
    try:
        if is_stored(path):
            return look_up(path)[1:]
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
