"""The directory of a user on a machine: leases of devices, what is known about CuPy there, and perhaps its kernels."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shardner.errors import DeviceError

#: The environment's way to say where leases lie, for containers that share devices but no /tmp.
DIRECTORY_VARIABLE = "SHARDNER_LEASES"


def lease_directory() -> Path:
    """Return the directory of this user's leases, made where it is not there yet.

    Neither ``XDG_RUNTIME_DIR`` nor ``TMPDIR`` decides: they differ between a login, a service and a cluster's job, and
    two workflows must meet.

    Raises:
        DeviceError: it is another user's, or open to others.
    """
    given = os.environ.get(DIRECTORY_VARIABLE)
    path = Path(given) if given else Path("/tmp") / f"shardner-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, parents=bool(given), exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise DeviceError(f"the directory of device leases cannot be made: {error}; {_elsewhere()}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise DeviceError(
            f"{path} should be a directory of this user's alone, for device leases, and is not: "
            f"{stat.filemode(found.st_mode)}, user {found.st_uid}; remove it, or {_elsewhere()}"
        )
    return path


def _elsewhere() -> str:
    return f"name another directory:   export {DIRECTORY_VARIABLE}=$HOME/.cache/shardner-leases"
