"""Leases: the exclusive right of one job on one machine to one device.

A lease is a lock that the operating system holds on a file for as long as the job's process lives: one that is killed
gives its device back in that instant, and nothing is left to clean up. The files lie in a directory of the user's own,
the same for all workflows that the user runs on the machine.

Jobs that wait stand in a line, each with a ticket: a file with the devices that it would take, locked like a lease. A
job takes no device that an older ticket names, so none is overtaken, whichever workflow it belongs to.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from shardner.errors import DeviceError
from shardner.gpu.devices import Gpu
from shardner.gpu.directory import lease_directory
from shardner.gpu.nvml import NvmlError, open_nvml

log = logging.getLogger(__name__)

#: Seconds between two looks at the devices, and between two lines in the log about waiting.
LOOK_S, REMIND_S = 0.1, 60.0


class DevicesGoneError(DeviceError):
    """All devices that there were have vanished."""


_numbers = itertools.count()


@contextmanager
def lease_one(gpus: Sequence[Gpu]) -> Iterator[Gpu]:
    """Wait for one of `gpus` to be free and yield it, this process's alone until the block ends.

    The first free one is taken, those on which another user's processes compute last.

    Raises:
        DevicesGoneError: none of them works any more.
        DeviceError: the directory of leases cannot be used.
    """
    directory = lease_directory()
    wanted = sorted(gpus, key=lambda gpu: gpu.occupied)
    with _ticket(directory, wanted) as ticket:
        gpu, lock = _wait(directory, ticket, wanted)
    try:
        yield gpu
    finally:
        lock.release()


def _wait(directory: Path, ticket: Path, gpus: Sequence[Gpu]) -> tuple[Gpu, FileLock]:
    began = reminded = time.monotonic()
    gone: set[str] = set()
    while True:
        before = _older(ticket)
        for gpu in gpus:
            if gpu.uuid in before or gpu.uuid in gone:
                continue
            lock = _try_lock(directory / f"{_file_name(gpu.uuid)}.lock")
            if lock is None:
                continue
            found = _look_again(gpu)
            if found is not None:
                if reminded > began:
                    log.info("waited %.0f s for a device", time.monotonic() - began)
                return found, lock
            lock.release()
            gone.add(gpu.uuid)
        if len(gone) == len(gpus):
            raise DevicesGoneError(f"none of the devices works any more: {', '.join(sorted(gone))}; see nvidia-smi")
        if reminded == began or time.monotonic() - reminded >= REMIND_S:
            log.info("waiting for a device: all %d are taken", len(gpus) - len(gone))
            reminded = time.monotonic()
        time.sleep(LOOK_S)


def _look_again(gpu: Gpu) -> Gpu | None:
    """Return a device with its free bytes now, None where it answers no more: one may fall off the bus at any time."""
    try:
        with open_nvml() as nvml:
            memory = nvml.memory(nvml.handle(gpu.uuid))
    except NvmlError as error:
        log.warning("device %s (%s) has vanished: %s", gpu.number, gpu.uuid, error)
        return None
    return replace(gpu, free_bytes=memory[0]) if memory else gpu


@contextmanager
def _ticket(directory: Path, gpus: Sequence[Gpu]) -> Iterator[Path]:
    """Stand in line for `gpus` until the block ends."""
    line = directory / "line"
    line.mkdir(mode=0o700, exist_ok=True)
    # the line is entered one by one, so that times are in order and no ticket is seen unlocked
    with FileLock(directory / "line.lock", mode=0o600):
        path = line / f"{time.time_ns():020d}-{os.getpid()}-{next(_numbers)}"
        lock = FileLock(f"{path}.lock", mode=0o600)
        lock.acquire()
        path.write_text("\n".join(gpu.uuid for gpu in gpus), encoding="utf-8")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        lock.release()
        Path(f"{path}.lock").unlink(missing_ok=True)


def _older(ticket: Path) -> set[str]:
    """Return the devices that jobs before this one in the line wait for."""
    wanted: set[str] = set()
    for path in sorted(ticket.parent.iterdir()):
        if path.name >= ticket.name:
            break
        if path.suffix == ".lock":
            continue
        try:
            uuids = path.read_text("utf-8").split()
        except FileNotFoundError:
            continue  # its turn has come
        lock = _try_lock(Path(f"{path}.lock"))
        if lock is None:
            wanted |= set(uuids)
        else:  # who held it is dead
            path.unlink(missing_ok=True)
            lock.release()
            Path(f"{path}.lock").unlink(missing_ok=True)
    return wanted


def _try_lock(path: Path) -> FileLock | None:
    lock = FileLock(path, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _file_name(uuid: str) -> str:
    return "".join(each if each.isalnum() or each == "-" else "_" for each in uuid)
