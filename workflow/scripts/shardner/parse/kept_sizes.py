"""The sizes of shards and parts that a run began with, kept beside its results.

They follow from the corpus and from what is known of the devices. A run that goes on elsewhere, on a machine without a
GPU say, must plan the same shards. So the first run writes them down, and later ones use them again, as long as the
corpus has not outgrown them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shardner.data.files import write_text_atomically
from shardner.parse.shard_plan import CHARS_PER_S, GPU_CHARS_PER_S, MOST_STRETCHES, PlanSizes, decide_sizes

#: The sizes are decided anew when the corpus wants shards so many times as large, or has too many stretches by this.
OUTGROWN = 4


@dataclass(frozen=True, slots=True)
class KeptSizes:
    """What is written down: the sizes, and the speed that they were decided for."""

    shard_chars: int
    part_chars: int
    chars_per_s: float

    @property
    def sizes(self) -> PlanSizes:
        """The sizes."""
        return PlanSizes(self.shard_chars, self.part_chars)


def find_sizes(output: Path, chars: int, *, on_gpus: bool) -> KeptSizes:
    """Return the sizes for a corpus of about `chars` characters: those of an earlier run, or new ones.

    Args:
        output: the run's directory of results.
        chars: of the corpus.
        on_gpus: whether this run annotates on GPUs.
    """
    kept = _read(kept_path(output))
    if kept is not None:
        wanted = decide_sizes(chars, kept.chars_per_s)
        most_chars = OUTGROWN * MOST_STRETCHES * kept.part_chars
        if wanted.shard_chars < OUTGROWN * kept.shard_chars and chars < most_chars:
            return kept
    chars_per_s = kept.chars_per_s if kept else _known_speed(output, on_gpus=on_gpus)
    sizes = decide_sizes(chars, chars_per_s)
    return KeptSizes(sizes.shard_chars, sizes.part_chars, chars_per_s)


def keep_sizes(output: Path, sizes: KeptSizes) -> None:
    """Write the sizes down, beside the results."""
    path = kept_path(output)
    if _read(path) != sizes:
        write_text_atomically(path, json.dumps(asdict(sizes)) + "\n")


def kept_path(output: Path) -> Path:
    """Return where the sizes are kept."""
    return output / ".work" / "sizes.json"


def _read(path: Path) -> KeptSizes | None:
    """Return what is written there; None where nothing is, or nothing that can be read."""
    values = _read_mapping(path)
    try:
        kept = KeptSizes(int(values["shard_chars"]), int(values["part_chars"]), float(values["chars_per_s"]))
    except (KeyError, TypeError, ValueError):
        return None
    return kept if min(kept.shard_chars, kept.part_chars, kept.chars_per_s) > 0 else None


def _known_speed(output: Path, *, on_gpus: bool) -> float:
    """Return the characters that a job annotates per second: by an estimate or a report that is there, or a constant.

    A measured speed is rounded to the constant times a power of two: shards should not change with the last digit.
    """
    usual = float(GPU_CHARS_PER_S if on_gpus else CHARS_PER_S)
    measured = _estimated(output / "estimate.json") or _reported(output / "performance.json", on_gpus=on_gpus)
    return round_speed(measured, usual) if measured else usual


def round_speed(measured: float, usual: float) -> float:
    """Return `usual` times the power of two that is nearest to a measured speed."""
    return usual * 2.0 ** round(math.log2(measured / usual))


def _estimated(path: Path) -> float | None:
    values = _read_mapping(path)
    try:
        return float(values["measured"]["chars_per_s"]) * int(values["workers_a_job"]) or None
    except (KeyError, TypeError, ValueError):
        return None


def _reported(path: Path, *, on_gpus: bool) -> float | None:
    try:
        forecast = _read_mapping(path)["forecast"]
        if (forecast["unit"] == "GPU") != on_gpus:
            return None
        return float(forecast["rates"]["chars"]) / float(forecast["rates"]["work_slot_s"]) or None
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _read_mapping(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
