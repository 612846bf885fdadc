"""What the provenance tells about the machines, so that advice can name numbers of cores and bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shardner.report.figures import Hardware

#: Where in the provenance machines are described; a setting called ``cores`` elsewhere is no core.
_MACHINES = {"host", "hosts", "machine", "machines", "hardware", "device", "devices", "gpu", "gpus"}
_CORES = ("cores", "cpu_count", "cpus")
_MEMORY = ("memory_bytes", "total_memory_bytes", "memory_total_bytes")


def find_hardware(provenance: Mapping[str, Any]) -> Hardware:
    """Look for hosts (mappings with ``cores``, ``memory_bytes``) and devices (with ``uuid``, ``memory_bytes``).

    The provenance is free-form: what is not found stays null, and no advice is drawn from it.
    """
    sections = [value for key, value in provenance.items() if key.lower() in _MACHINES]
    mappings = [each for section in sections for each in _mappings(section)]
    devices = {str(each["uuid"]): each for each in mappings if each.get("uuid")}
    hosts = [each for each in mappings if not each.get("uuid")]
    return Hardware(
        cores_per_host=_least(hosts, _CORES),
        host_memory_bytes=_least([each for each in hosts if _number(each, _CORES)], _MEMORY)
        or _least(hosts, ("host_memory_bytes",)),
        device_memory_bytes=_least(list(devices.values()), _MEMORY),
        devices=len(devices) or None,
    )


def _mappings(value: Any, depth: int = 6) -> Iterator[Mapping[str, Any]]:
    if depth and isinstance(value, Mapping):
        yield value
        for each in value.values():
            yield from _mappings(each, depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for each in value:
            yield from _mappings(each, depth - 1)


def _number(mapping: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = mapping.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return int(value)
    return None


def _least(mappings: list[Mapping[str, Any]], names: tuple[str, ...]) -> int | None:
    return min((found for each in mappings if (found := _number(each, names))), default=None)
