"""What killed processes left: temporary files and directories whose owner is dead."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shardner.data.files import FILE_SUFFIX, SCRATCH_SUFFIX

#: Of another host it is not known whether a process lives. What has not changed for so long has no owner.
OLD_S = 7 * 86_400

_NAME = re.compile(
    rf"\..+\.(?P<pid>\d+)\.[0-9a-f]{{8}}(?:{re.escape(FILE_SUFFIX)}|{re.escape(SCRATCH_SUFFIX)})", re.DOTALL
)


def remove_leftovers(results: Path, scratch: Path | None) -> list[Path]:
    """Remove what killed processes left among the results and among temporary files; return what was removed.

    Args:
        results: the directory of results; all below it is looked at.
        scratch: the directory of temporary directories, if they do not lie among the results.
    """
    removed = []
    for path in [*_find(results, deep=True), *(_find(scratch, deep=False) if scratch else ())]:
        if _is_orphan(path):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                removed.append(path)
    return removed


def _find(directory: Path, *, deep: bool) -> Iterator[Path]:
    """Yield what has a temporary name, files only among the results."""
    for place, directories, files in os.walk(directory):
        temporary = [name for name in directories if name.endswith(SCRATCH_SUFFIX) and _NAME.fullmatch(name)]
        yield from (Path(place, name) for name in temporary)
        if not deep:
            return
        yield from (Path(place, name) for name in files if name.endswith(FILE_SUFFIX) and _NAME.fullmatch(name))
        directories[:] = [name for name in directories if name not in temporary]


def _is_orphan(path: Path) -> bool:
    """Tell whether the process that made a file has ended; a name tells its host and number."""
    found = _NAME.fullmatch(path.name)
    assert found is not None
    before = path.name[: found.start("pid") - 1]
    if not before.endswith(f".{socket.gethostname()}"):
        with suppress(OSError):
            return time.time() - path.lstat().st_mtime > OLD_S
        return False
    try:
        os.kill(int(found["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
