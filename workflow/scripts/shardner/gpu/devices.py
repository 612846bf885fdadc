"""Which GPUs this process may use: those that ``CUDA_VISIBLE_DEVICES`` names, or else all that NVML lists.

CUDA's own rules for the variable are kept (CUDA C++ Programming Guide, "CUDA Environment Variables"): a list of
indices, UUIDs or beginnings of UUIDs, of which nothing counts from the first that names no device on; the empty list
is no device. Indices are counted as ``nvidia-smi`` does, by place on the PCI bus; workers are given UUIDs, so that it
does not matter in which order CUDA would count.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shardner.data.schedulers import assigned_devices
from shardner.gpu.nvml import Card, ComputeMode, Nvml, NvmlError, open_nvml

log = logging.getLogger(__name__)

#: The oldest CUDA for which a CuPy is offered (see docs/gpu.md).
OLDEST_CUDA = 12


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, or a MIG slice of one, that this process may use."""

    uuid: str  # "GPU-…", or "MIG-…" of a slice
    name: str
    number: int  # of the card, as nvidia-smi counts
    card: str  # uuid of the card, equal to `uuid` but for a slice
    total_bytes: int  # 0, as the free ones, where NVML does not report them
    free_bytes: int
    occupied: bool  # a process of another user computes on it
    exclusive: bool = False  # one process may compute on it at a time

    @property
    def is_slice(self) -> bool:
        """Whether this is a part of a card."""
        return self.uuid != self.card


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: devices in order, versions, and lines about what cannot be used, for a message."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: tuple[int, int] | None = None
    problems: tuple[str, ...] = ()

    @property
    def cuda_text(self) -> str | None:
        """The CUDA version as one writes it."""
        return None if self.cuda is None else "{}.{}".format(*self.cuda)


def find_gpus() -> Found:
    """Return the GPUs that this process may use; without a driver, none and the reason."""
    try:
        with open_nvml() as nvml:
            return _look(nvml)
    except NvmlError as error:
        return Found(problems=(str(error),))


def _look(nvml: Nvml) -> Found:
    driver, cuda = nvml.driver, nvml.cuda
    cards, problems = nvml.cards()
    gpus = [gpu for card in cards for gpu in _parts(card) if card.mode is not ComputeMode.PROHIBITED]
    problems += [
        f"device {card.number}: its compute mode prohibits computing (as root: nvidia-smi -i {card.number} -c DEFAULT)"
        for card in cards
        if card.mode is ComputeMode.PROHIBITED
    ]
    problems += [f"device {card.number}: MIG is on and no slice was made" for card in cards if card.mig == ()]
    if not cards and not problems:
        problems.append(f"driver {driver} lists no device")
    if cuda[0] < OLDEST_CUDA:
        problems.append(f"driver {driver} is for CUDA {cuda[0]}.{cuda[1]}; CUDA {OLDEST_CUDA} is the oldest supported")
        gpus = []
    visible = assigned_devices(os.environ)
    if visible is not None and gpus:
        chosen = select_visible(visible.devices, gpus)
        if len(chosen) < len(visible.devices) or not chosen:
            problems.append(f"{visible} names {len(chosen)} of {_count(gpus)}")
        gpus = chosen
    return Found(tuple(gpus), driver, cuda, tuple(problems))


def _parts(card: Card) -> list[Gpu]:
    """Return a card as one device, or its slices: a card with MIG on cannot be used whole."""
    parts = [card] if card.mig is None else card.mig
    return [
        Gpu(
            uuid=part.uuid,
            name=part.name,
            number=card.number,
            card=card.uuid,
            total_bytes=part.memory[1] if part.memory else 0,
            free_bytes=part.memory[0] if part.memory else 0,
            occupied=card.occupied,
            exclusive=card.mode is not ComputeMode.DEFAULT,
        )
        for part in parts
    ]


def _count(gpus: Sequence[Gpu]) -> str:
    return f"{len(gpus)} devices: " + ", ".join(f"{gpu.number} ({gpu.uuid})" for gpu in gpus)


def select_visible(names: Iterable[str], gpus: Sequence[Gpu]) -> list[Gpu]:
    """Return the devices that a list such as that of ``CUDA_VISIBLE_DEVICES`` names, in its order."""
    chosen: list[Gpu] = []
    for name in names:
        gpu = _named(name, gpus)
        if gpu is None:
            break  # CUDA reads no further
        if gpu not in chosen:
            chosen.append(gpu)
    return chosen


def _named(name: str, gpus: Sequence[Gpu]) -> Gpu | None:
    if name.isdecimal() and name.isascii():
        # the number of a card with MIG on stands for its first slice
        return next((gpu for gpu in gpus if gpu.number == int(name)), None)
    if not name.startswith(("GPU-", "MIG-")):
        return None
    exact = [gpu for gpu in gpus if gpu.uuid == name]
    matches = exact or [gpu for gpu in gpus if gpu.uuid.startswith(name)]
    return matches[0] if len(matches) == 1 else None
