"""Where CuPy keeps the kernels that it has compiled.

CuPy makes a directory in the user's home while it is imported. Thinc imports CuPy wherever it is installed, on the CPU
too, and takes only CuPy's absence for its absence. So where home cannot be written (a container, a service, a cluster's
node), nothing could import spaCy.

Kernels are compiled at their first use. The workers of a job start together, and each would compile all of them.
"""

from __future__ import annotations

import fcntl
import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shardner.errors import DeviceError
from shardner.gpu.directory import lease_directory

log = logging.getLogger(__name__)

#: CuPy's variable for the directory of kernels, and the directory below home that it takes where that is not set.
CACHE_VARIABLE, DEFAULT = "CUPY_CACHE_DIR", ".cupy/kernel_cache"


def choose_kernel_cache() -> None:
    """Name a directory beside the leases to CuPy, for this process and those it starts, where CuPy's own is no use.

    This must come before spaCy is imported.
    """
    if CACHE_VARIABLE in os.environ or importlib.util.find_spec("cupy") is None or _can_be_written():
        return
    try:
        path = lease_directory() / "kernels"
        path.mkdir(mode=0o700, exist_ok=True)
    except (DeviceError, OSError) as error:
        log.warning("CuPy has no directory for its kernels: %s; name one:   export %s=…", error, CACHE_VARIABLE)
        return
    os.environ[CACHE_VARIABLE] = str(path)


def _can_be_written() -> bool:
    """Tell whether CuPy's own directory can be written; it is made, as CuPy would."""
    path = Path("~").expanduser() / DEFAULT
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(path, os.W_OK | os.X_OK)


@contextmanager
def first_compiles() -> Iterator[bool]:
    """Let one process of this user's run the block alone, and those that come meanwhile run it together afterwards.

    Yields:
        Whether this process is the one. Where there is no directory for a lock, all are.
    """
    try:
        path = lease_directory() / "kernels.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (DeviceError, OSError):
        yield True
        return
    try:  # the system gives up the lock of a process that ends
        yield _lock_first(descriptor)
    finally:
        os.close(descriptor)


def _lock_first(descriptor: int) -> bool:
    """Lock a file, alone if nobody else has locked it, or else together with others as soon as nobody has it alone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return False
    except OSError:
        return True  # a file system without locks
    return True
