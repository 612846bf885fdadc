"""Two plots: where the time went, and how even the shards were. The timeline is in `plot_timeline`.

Each plot is drawn twice, for a wide and for a narrow screen, because a drawing that is scaled down cannot be read. A
plot of many things shows sums instead, so that its size does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from shardner.report.figures import Performance, ShardFigure
from shardner.report.svg import Specification, draw_svg
from shardner.terminal.numbers import count, duration

WIDE, NARROW = 936, 336
#: With more shards than this, the plot shows how many shards took how long.
MOST_SHARD_BARS = 80

#: Colours are defined in report.css: Okabe and Ito's palette.
COLOURS = {
    "start_up": "var(--start-up)",
    "load": "var(--load)",
    "read": "var(--read)",
    "tokenize": "var(--tokenize)",
    "encode": "var(--encode)",
    "decode": "var(--decode)",
    "recognise": "var(--recognise)",
    "audit": "var(--audit)",
    "write": "var(--write)",
    "idle": "var(--idle)",
    "annotate": "var(--recognise)",
    "other": "var(--other)",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot at both widths."""

    wide: Markup
    narrow: Markup


def draw_at_both_widths(make: Callable[[bool], Specification], title: str) -> Plot:
    """Draw a plot at both widths; `make` is called with whether the screen is wide."""
    return Plot(
        draw_svg(make(True), title=title, css_class="wide"),
        draw_svg(make(False), title=title, css_class="narrow"),
    )


def width(wide: bool) -> int:
    """Return a plot's width in pixels, axes included."""
    return WIDE if wide else NARROW


def values(data: pl.DataFrame | Sequence[Mapping[str, Any]]) -> Specification:
    """Return data as a specification holds it."""
    return {"values": data.to_dicts() if isinstance(data, pl.DataFrame) else list(data)}


def quantity(field: str, **options: Any) -> Specification:
    """Encode a field of numbers."""
    return {"field": field, "type": "quantitative", **options}


def name_of(field: str, **options: Any) -> Specification:
    """Encode a field of names."""
    return {"field": field, "type": "nominal", **options}


def colour(phases: Sequence[str]) -> Specification:
    """Colour marks by their field ``phase``."""
    scale = {"domain": list(phases), "range": [COLOURS[phase] for phase in phases]}
    return name_of("phase", scale=scale, legend=None)


def axis_unit(longest_s: float) -> tuple[float, str]:
    """Return the unit of an axis: its seconds and its name."""
    for seconds, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if longest_s >= 2 * seconds:
            return seconds, name
    return 1.0, "seconds"


def plot_phases(performance: Performance) -> Plot | None:
    """Draw the time of all workers as one bar, cut by phase; None where no time was measured."""
    figures = [figure for figure in performance.phases if figure.worker_s > 0]
    if not figures:
        return None
    data = [
        {
            "phase": figure.phase,
            "share": figure.share,
            "order": order,
            "tip": f"{figure.phase.replace('_', '-')}: {figure.share:.1%}",
        }
        for order, figure in enumerate(figures)
    ]

    def make(wide: bool) -> Specification:
        axis = {"title": None, "format": "%", "tickCount": 5, "grid": False, "domain": False}
        return {
            "data": values(data),
            "mark": {"type": "bar", "height": 30, "stroke": "var(--paper)", "strokeWidth": 1},
            "encoding": {
                "x": quantity("share", stack="zero", scale={"domain": [0, 1], "nice": False}, axis=axis),
                "color": colour([figure.phase for figure in figures]),
                "order": quantity("order"),
                "description": name_of("tip"),
            },
            "width": width(wide),
            "height": 34,
        }

    return draw_at_both_widths(make, "Share of the workers' time by phase")


def plot_shards(performance: Performance) -> tuple[Plot, bool] | None:
    """Draw how long each shard took; None for fewer than two shards with text.

    Also tell whether there are so many shards that the plot shows how many took how long.
    """
    shards = [shard for shard in performance.shards if shard.chars]
    if len(shards) < 2:
        return None
    if len(shards) <= MOST_SHARD_BARS:
        return draw_at_both_widths(lambda wide: _draw_each_shard(shards, wide), "Seconds by shard"), False
    return draw_at_both_widths(lambda wide: _draw_spread(shards, wide), "How many shards took how long"), True


def _draw_each_shard(shards: Sequence[ShardFigure], wide: bool) -> Specification:
    unit_s, unit = axis_unit(max(shard.elapsed_s for shard in shards))
    data = [
        {
            "shard": str(shard.shard),
            "phase": phase,
            "time": seconds / unit_s,
            "order": order,
            "tip": f"shard {shard.shard}: {duration(shard.elapsed_s)}, of them {duration(shard.start_up_s)} until it "
            f"was ready; {count(shard.chars)} characters",
        }
        for shard in shards
        for order, (phase, seconds) in enumerate(
            (("start_up", shard.start_up_s), ("annotate", shard.elapsed_s - shard.start_up_s))
        )
    ]
    mean = sum(shard.elapsed_s for shard in shards) / len(shards) / unit_s
    every = max(len(shards) // (40 if wide else 10), 1)
    names = [str(shard.shard) for shard in shards]
    axis = {"title": "shard", "labelAngle": 0, "ticks": False, "values": names[::every]}
    bars = {
        "data": values(data),
        "mark": "bar",
        "encoding": {
            "x": {"field": "shard", "type": "ordinal", "sort": names, "axis": axis, "scale": {"paddingInner": 0.2}},
            "y": quantity("time", stack="zero", title=unit, axis={"tickCount": 4}),
            "color": colour(["start_up", "annotate"]),
            "order": quantity("order"),
            "description": name_of("tip"),
        },
    }
    return {"layer": [bars, _mean_line(mean, "y")], "width": min(width(wide), len(shards) * 80), "height": 150}


def _draw_spread(shards: Sequence[ShardFigure], wide: bool) -> Specification:
    unit_s, unit = axis_unit(max(shard.elapsed_s for shard in shards))
    seconds = pl.Series("time", [shard.elapsed_s / unit_s for shard in shards])
    low, high = float(seconds.min()), float(seconds.max())  # type: ignore[arg-type]
    size = max((high - low) / 30, 1e-9)
    bins = (
        pl.DataFrame({"bin": ((seconds - low) / size).floor().clip(0, 29)})
        .group_by("bin")
        .agg(pl.len().alias("shards"))
        .with_columns(low=low + pl.col("bin") * size, high=low + (pl.col("bin") + 1) * size)
        .with_columns(tip=pl.format("{} shards", "shards"))
        .sort("bin")
    )
    axis = {"grid": False, "tickCount": 8 if wide else 4}
    bars = {
        "data": values(bins),
        "mark": {"type": "bar", "color": COLOURS["annotate"], "stroke": "var(--paper)", "strokeWidth": 0.6},
        "encoding": {
            "x": quantity("low", bin="binned", title=f"{unit} a shard", scale={"zero": False}, axis=axis),
            "x2": {"field": "high"},
            "y": quantity("shards", title="shards", axis={"tickCount": 4}),
            "description": name_of("tip"),
        },
    }
    mean = float(seconds.mean())  # type: ignore[arg-type]
    return {"layer": [bars, _mean_line(mean, "x")], "width": width(wide), "height": 150}


def _mean_line(mean: float, channel: str) -> Specification:
    mark = {"type": "rule", "stroke": "var(--ink)", "strokeDash": [4, 3], "strokeWidth": 1}
    return {"data": values([{"mean": mean}]), "mark": mark, "encoding": {channel: quantity("mean")}}
