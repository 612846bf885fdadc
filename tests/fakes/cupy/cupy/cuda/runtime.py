"""CUDA's runtime: one device, as in a job."""

import os


class CUDARuntimeError(RuntimeError):
    """As CuPy raises it."""


def getDeviceCount() -> int:
    return len([each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",") if each])


def memGetInfo() -> tuple[int, int]:
    return 100 << 30, 120 << 30
