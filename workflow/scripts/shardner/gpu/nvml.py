"""NVIDIA's management library: what devices there are and how they fare, without a CUDA context.

Everything that asks it comes through here, so that a missing library, a missing driver, a device that has fallen off
the bus and a card that does not report a figure are told apart in one place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

#: What NVML knows a device by, while it is open.
Handle: TypeAlias = Any

#: Why NVML could not be opened, and what to do, by the name of its error.
REASONS = {
    "NVMLError_LibraryNotFound": "no NVIDIA driver (libnvidia-ml.so.1 was not found)",
    "NVMLError_DriverNotLoaded": "an NVIDIA driver that is not loaded (try: sudo modprobe nvidia)",
    "NVMLError_NoPermission": "no permission to use the NVIDIA driver (may this user open /dev/nvidiactl?)",
    "NVMLError_LibRmVersionMismatch": "an NVIDIA driver that was updated while loaded (restart the machine)",
}


#: Names of errors with which NVML keeps a figure back from a device that works.
KEPT_BACK = ("NVMLError_NoPermission", "NVMLError_NotSupported", "NVMLError_FunctionNotFound")

#: Bytes of a device, free and all; None where NVML keeps them back.
Memory: TypeAlias = tuple[int, int] | None


class NvmlError(Exception):
    """NVML cannot be used; the message says why."""


class ComputeMode(IntEnum):
    """How many processes may compute on a card, by NVML's numbers."""

    DEFAULT = 0
    EXCLUSIVE_THREAD = 1
    PROHIBITED = 2
    EXCLUSIVE_PROCESS = 3


@dataclass(frozen=True, slots=True)
class Mig:
    """A slice of a card, as NVML lists it."""

    uuid: str
    name: str
    memory: Memory


@dataclass(frozen=True, slots=True)
class Card:
    """A card, as NVML lists it. `mig` is None where the card is not cut into slices."""

    number: int
    uuid: str
    name: str
    memory: Memory
    occupied: bool  # a process of another user computes on it
    mode: ComputeMode
    mig: tuple[Mig, ...] | None


class Nvml:
    """NVML, open. See `open_nvml`."""

    def __init__(self, library: Any) -> None:
        self._library = library

    @property
    def driver(self) -> str:
        """The driver's version, for example ``"580.65.06"``. Raises `NvmlError`."""
        try:
            return _text(self._library.nvmlSystemGetDriverVersion())
        except self._library.NVMLError as error:
            raise NvmlError(f"an NVIDIA driver that does not tell its version ({error})") from None

    @property
    def cuda(self) -> tuple[int, int]:
        """The newest CUDA that the driver runs, major and minor. Raises `NvmlError`."""
        try:
            version = int(self._library.nvmlSystemGetCudaDriverVersion())
        except self._library.NVMLError as error:
            raise NvmlError(
                f"an NVIDIA driver without CUDA ({error}); a container needs it by "
                f"NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            ) from None
        return version // 1000, version % 1000 // 10

    def cards(self) -> tuple[list[Card], list[str]]:
        """Return the cards that this process may use, and for each other one a line that says why not.

        Raises:
            NvmlError: the cards cannot be counted.
        """
        cards: list[Card] = []
        lines: list[str] = []
        position = 0
        for number in range(self._count()):
            try:
                cards.append(self._card(position, self._library.nvmlDeviceGetHandleByIndex(number)))
                position += 1
            except self._library.NVMLError as error:
                lines.append(f"device {number}: {error}")
                # CUDA does not count a device that it may not open, and counts one that is lost
                position += type(error).__name__ != "NVMLError_NoPermission"
        return cards, lines

    def handle(self, uuid: str) -> Handle:
        """Return the device with that UUID, a card or a slice.

        Raises:
            NvmlError: it is gone.
        """
        try:
            return self._library.nvmlDeviceGetHandleByUUID(uuid)
        except self._library.NVMLError as error:
            raise NvmlError(f"device {uuid}: {error}") from None

    def memory(self, handle: Handle) -> Memory:
        """Return the bytes of a device, free and all; None where they are not reported, as for unified memory.

        Raises:
            NvmlError: it is gone.
        """
        try:
            return self._ask_memory(handle)
        except self._library.NVMLError as error:
            raise NvmlError(str(error)) from None

    def utilisation(self, handle: Handle) -> float | None:
        """Return the share of the last fraction of a second in which a kernel ran, None where it is not reported."""
        rates = self._ask("nvmlDeviceGetUtilizationRates", handle)
        return None if rates is None else float(rates.gpu) / 100

    def power_w(self, handle: Handle) -> float | None:
        """Return the card's power in watts, None where it is not reported."""
        milliwatts = self._ask("nvmlDeviceGetPowerUsage", handle)
        return None if milliwatts is None else float(milliwatts) / 1000

    def energy_j(self, handle: Handle) -> float | None:
        """Return the joules that the card took since its driver was loaded, None where it is not reported."""
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption", handle)
        return None if millijoules is None else float(millijoules) / 1000

    def _count(self) -> int:
        try:
            return int(self._library.nvmlDeviceGetCount())
        except self._library.NVMLError as error:
            raise NvmlError(f"an NVIDIA driver that does not list its devices ({error})") from None

    def _card(self, number: int, handle: Handle) -> Card:
        slices = self._slices(handle)
        return Card(
            number=number,
            uuid=_text(self._library.nvmlDeviceGetUUID(handle)),
            name=_text(self._library.nvmlDeviceGetName(handle)),
            memory=self._ask_memory(handle) if slices is None else None,  # a slice's user may not read the card's
            occupied=self._is_occupied(handle),
            mode=self._find_mode(handle),
            mig=slices,
        )

    def _ask_memory(self, handle: Handle) -> Memory:
        try:
            memory = self._library.nvmlDeviceGetMemoryInfo(handle)
        except self._library.NVMLError as error:
            if type(error).__name__ in KEPT_BACK:
                return None
            raise
        return (int(memory.free), int(memory.total)) if memory.total else None

    def _find_mode(self, handle: Handle) -> ComputeMode:
        try:
            return ComputeMode(int(self._ask("nvmlDeviceGetComputeMode", handle) or 0))
        except ValueError:  # a mode of a later driver
            return ComputeMode.DEFAULT

    def _is_occupied(self, handle: Handle) -> bool:
        processes = self._ask("nvmlDeviceGetComputeRunningProcesses", handle) or ()
        return any(_is_of_another_user(int(process.pid)) for process in processes)

    def _slices(self, handle: Handle) -> tuple[Mig, ...] | None:
        mode = self._ask("nvmlDeviceGetMigMode", handle)
        if mode is None or not mode[0]:
            return None
        found = []
        for number in range(int(self._ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0)):
            try:
                part = self._library.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
                memory = self._ask_memory(part)
                names = (self._library.nvmlDeviceGetUUID(part), self._library.nvmlDeviceGetName(part))
            except self._library.NVMLError:
                continue  # no slice of that number
            found.append(Mig(_text(names[0]), _text(names[1]), memory))
        return tuple(found)

    def _ask(self, function: str, handle: Handle) -> Any:
        """Return an answer that not every card, driver or slice gives, None where there is none."""
        try:
            return getattr(self._library, function)(handle)
        except (self._library.NVMLError, AttributeError):
            return None


@contextmanager
def open_nvml() -> Iterator[Nvml]:
    """Open NVML for the block.

    Raises:
        NvmlError: it is not installed, or there is no driver that works; says which.
    """
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        raise NvmlError("no NVML for Python (try: pip install nvidia-ml-py)") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        kind = type(error).__name__
        raise NvmlError(REASONS.get(kind, f"an NVIDIA driver that does not answer ({error})")) from None
    try:
        yield Nvml(pynvml)
    finally:
        _quietly(pynvml.nvmlShutdown, pynvml.NVMLError)


def _quietly(function: Callable[[], Any], error: type[Exception]) -> None:
    try:
        function()
    except error:
        pass  # it is being closed; what it holds goes with the process


def _is_of_another_user(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid != os.getuid()  # noqa: PTH116 - as short as it gets
    except OSError:
        return False  # it has ended, or lives in another container


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
