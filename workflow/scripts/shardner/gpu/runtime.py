"""Whether CuPy is there and works with the driver, and what to type if not.

Importing CuPy where it does not fit takes seconds and fails in many ways, and the job's own process must not start a
CUDA context. So what is installed is read from the packages' metadata, and a trial computation runs in a process of
its own, once for a driver and a set of packages: that it went well is remembered beside the leases.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys

from shardner.gpu.devices import Found, Gpu
from shardner.gpu.directory import lease_directory
from shardner.gpu.memory import TABLE_BYTES

#: Uses what jobs use: thinc's own test for a device, an allocation as large as a worker's first one, products (cuBLAS),
#: also those of einsum and of a batch, a kernel compiled on the spot (NVRTC), and a sort (CUB).
TRIAL = f"""
import sys
sys.modules["torch"] = None  # thinc would import it
import cupy
from thinc.compat import has_cupy_gpu
assert has_cupy_gpu, "thinc sees no device"
cupy.empty(min({TABLE_BYTES}, cupy.cuda.runtime.memGetInfo()[0] // 2), dtype="u1")
a = cupy.ones((4, 4), dtype="f")
assert float((a @ a + a).sum()) == 80
assert cupy.einsum("ij,ij->i", a, a).get().tolist() == [4, 4, 4, 4]
assert cupy.matmul(a[None], a[None]).get().tolist() == [[[4] * 4] * 4]
assert cupy.flatnonzero(a[0]).get().tolist() == [0, 1, 2, 3]
"""
#: Prints the bytes of the device, free and all.
MEMORY = """
import cupy
print(*cupy.cuda.runtime.memGetInfo())
"""
#: The first compilation of kernels on a slow disk takes its time.
TRIAL_S = 180


def installed_cupy() -> dict[str, int | None]:
    """Return the CuPy packages that are installed, each with the CUDA major version that its name says."""
    found: dict[str, int | None] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if match := re.fullmatch(r"cupy(?:-cuda(\d+)x|-rocm.*)?", name):
            found[name] = int(match[1]) if match[1] else None
    return found


def find_cupy_problem(found: Found) -> str | None:
    """Tell why CuPy cannot be used with the driver, as far as packages' names say, and what to type; None if it can."""
    major = found.cuda[0] if found.cuda else 12
    wanted = min(max(major, 12), 13)
    advice = f"install CuPy for CUDA {wanted}:   pip install -r requirements/cuda{wanted}.lock"
    packages = installed_cupy()
    if importlib.util.find_spec("cupy") is None or not packages:
        return f"CuPy is not installed; {advice}"
    if len(packages) > 1:
        listed = " and ".join(sorted(packages))
        remove = f"pip uninstall -y {' '.join(packages)}"
        return f"{listed} are installed, of which one breaks the other; {remove}, then {advice}"
    ((name, built),) = packages.items()
    if name.startswith("cupy-rocm"):
        return f"{name} is for AMD's GPUs; {advice}"
    if built is not None and built > major:
        return f"{name} needs a driver for CUDA {built}, and driver {found.driver} is for {found.cuda_text}; {advice}"
    return None


def try_cupy(gpu: Gpu, found: Found) -> str | None:
    """Compute a little on a device in a process of its own; return what went wrong, None if nothing did."""
    done = lease_directory() / f"cupy-{_fingerprint(gpu, found)}.works"
    if done.exists():
        return None
    trial = _run(TRIAL, gpu)
    if isinstance(trial, str):
        return trial
    done.touch()
    return None


def ask_memory(gpu: Gpu) -> tuple[int, int] | str:
    """Return the bytes of a device, free and all, as CUDA's runtime has them; what went wrong if it has none.

    For devices of which NVML does not report them: those that share the host's memory, and slices of some drivers.
    """
    asked = _run(MEMORY, gpu)
    if isinstance(asked, str):
        return asked
    free, total = map(int, asked[0].split())
    return free, total


def _run(code: str, gpu: Gpu) -> list[str] | str:
    """Run Python code on a device, in a process of its own; return the lines that it printed, or what went wrong."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": gpu.uuid}
    try:
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=environment, capture_output=True, text=True, check=False, timeout=TRIAL_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"CuPy did not finish a trial within {TRIAL_S} s"
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        return f"CuPy does not work: {lines[-1][:400] if lines else f'exit status {run.returncode}'}"
    return run.stdout.splitlines()


def _fingerprint(gpu: Gpu, found: Found) -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in installed_cupy()]
    values = [TRIAL, gpu.name, str(found.driver), sys.prefix, *sys.path, *versions]
    return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()[:16]
