"""Where CuPy keeps the kernels that it has compiled.

CuPy makes a directory in the user's home while it is imported. Thinc imports CuPy wherever it is installed, on the CPU
too, and takes only CuPy's absence for its absence. So where home cannot be written (a container, a service, a cluster's
node), nothing could import spaCy.
"""

from __future__ import annotations

import importlib.util
import logging
import os
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
