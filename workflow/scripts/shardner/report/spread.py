"""The spread of figures over the shards: smallest value, quartiles, largest value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shardner.report.figures import ShardFigure, Spread

FIGURES: dict[str, Callable[[ShardFigure], float]] = {
    "elapsed_s": lambda shard: shard.elapsed_s,
    "start_up_s": lambda shard: shard.start_up_s,
    "chars": lambda shard: shard.chars,
    "tokens_per_s": lambda shard: shard.tokens / max(shard.elapsed_s - shard.start_up_s, 1e-9),
    "peak_rss_bytes": lambda shard: shard.peak_rss_bytes,
    "peak_device_bytes": lambda shard: shard.peak_device_bytes,
}


def measure_spread(shards: Sequence[ShardFigure]) -> tuple[Spread, ...]:
    """Return the spread of `FIGURES` over the shards that hold text; none for fewer than two such shards."""
    filled = [shard for shard in shards if shard.chars]
    if len(filled) < 2:
        return ()
    spreads = []
    for name, read in FIGURES.items():
        values = np.array([read(shard) for shard in filled], dtype=np.float64)
        if values.any():  # on a CPU, no shard has memory of a device
            spreads.append(Spread(name, *map(float, np.percentile(values, [0, 25, 50, 75, 100]))))
    return tuple(spreads)
