"""An error of a disk becomes a sentence; that a real full disk gives such errors, tests/faults shows."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import polars as pl
import pytest
from shardner.data.disk_errors import describe_disk_error


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk of"),
        (errno.EDQUOT, "your quota of"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.ENOTDIR, "a file stands where a directory is wanted"),
        (errno.ENAMETOOLONG, "the name is too long"),
        (errno.EIO, "the disk fails"),
    ],
)
def test_each_kind_is_named_with_its_file(number: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "gone" / "a.parquet"
    message = describe_disk_error(OSError(number, os.strerror(number), str(path)), [])
    assert message is not None and said in message and str(tmp_path) in message and "run" in message


def test_polars_and_causes_are_understood(tmp_path: Path) -> None:
    full = pl.exceptions.ComputeError("No space left on device (os error 28)")
    message = describe_disk_error(full, [tmp_path])
    assert message is not None and f"the disk of {tmp_path} is full" in message and "GB are free" in message
    try:
        raise RuntimeError("outer") from full
    except RuntimeError as error:
        assert describe_disk_error(error, [tmp_path]) == message


def test_other_errors_are_not_the_disk_s() -> None:
    assert describe_disk_error(ValueError("os error"), []) is None
    assert describe_disk_error(OSError("no number"), []) is None
    assert describe_disk_error(FileNotFoundError(errno.ENOENT, "gone", "a"), []) is None
