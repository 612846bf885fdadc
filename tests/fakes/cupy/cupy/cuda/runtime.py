"""CUDA's runtime: one device, as in a job. What ``FAKE_CUPY_BROKEN`` names does not work."""

import os


class CUDARuntimeError(RuntimeError):
    """As CuPy raises it."""


def break_if_told(name: str) -> None:
    if name == os.environ.get("FAKE_CUPY_BROKEN"):
        raise CUDARuntimeError(f"{name} does not work")


def getDeviceCount() -> int:
    break_if_told("getDeviceCount")
    return len([each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",") if each])


def deviceSynchronize() -> None:
    from cupy.cuda.memory import tally  # which imports this module

    tally.waits += 1


def memGetInfo() -> tuple[int, int]:
    return 100 << 30, 120 << 30
