"""What is said when a disk does not take what a run writes: it is full, read-only, forbidden, or a name is too long."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Polars says it in its message alone.
_POLARS = re.compile(r"\(os error (\d+)\)")
_GOES_ON = "then run the same command again: it goes on from here"


def describe_disk_error(error: BaseException, places: Sequence[Path]) -> str | None:
    """Return what a user can do about an error of a disk, in one sentence; None if the error is another one.

    Args:
        error: what was raised.
        places: directories that the process writes to; the fullest is named where the error names no file.
    """
    for each in _chain(error):
        number, path = _read(each)
        if number in (errno.ENOSPC, errno.EDQUOT):
            return _describe_full(number, path or _fullest(places))
        where = f"{path}: " if path else ""
        if number == errno.EROFS:
            return f"{where}the disk is read-only; choose another output.dir or TMPDIR, or mount it anew, {_GOES_ON}"
        if number in (errno.EACCES, errno.EPERM):
            return f"{where}this may not be written or read here (permission denied); mend its permissions, {_GOES_ON}"
        if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            return f"{where}a file stands where a directory is wanted, or the other way round; move it away, {_GOES_ON}"
        if number == errno.ENAMETOOLONG:
            return f"{where}the name is too long for this disk; choose a shorter output.dir, and run again"
        if number in (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO):
            return f"{where}the disk fails ({each}); see to it, {_GOES_ON}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _read(error: BaseException) -> tuple[int | None, Path | None]:
    """Return the number of an error of the operating system, and the file that it names."""
    if isinstance(error, OSError) and error.errno is not None:
        name = error.filename
        return error.errno, Path(name) if isinstance(name, str) else None
    found = _POLARS.search(str(error))
    return (int(found[1]), None) if found else (None, None)


def _describe_full(number: int, path: Path | None) -> str:
    what = "your quota" if number == errno.EDQUOT else "the disk"
    if path is None:
        return f"{what} is full; make room, {_GOES_ON}"
    place = next((each for each in (path, *path.absolute().parents) if each.exists()), Path("/"))
    try:
        usage = shutil.disk_usage(place)
        room = f" ({usage.free / 1e9:.2f} GB of {usage.total / 1e9:.1f} GB are free)"
    except OSError:
        room = ""
    return (
        f"{what} of {place} is full{room}; make room there, or let output.dir or TMPDIR lie on another disk (the plan "
        f"of snakemake --dry-run says how much a run takes), {_GOES_ON}"
    )


def _fullest(places: Sequence[Path]) -> Path | None:
    free = {}
    for place in places:
        try:
            free[place] = shutil.disk_usage(place).free
        except OSError:
            continue
    return min(free, key=lambda place: free[place]) if free else None
