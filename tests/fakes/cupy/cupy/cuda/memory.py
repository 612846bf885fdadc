"""Errors of the device's memory."""


class OutOfMemoryError(MemoryError):
    """As CuPy raises it."""
