"""Two plots: where the time went, and how even the shards were. The timeline is in `plot_timeline`.

Each plot is drawn twice, for a wide and for a narrow screen, because a drawing that is scaled down cannot be read. A
plot of many things shows sums instead, so that its size does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl
from markupsafe import Markup

from shardner.report.figures import Performance, ShardFigure
from shardner.report.svg import draw_svg
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


def draw_at_both_widths(make: Callable[[bool], alt.TopLevelMixin], title: str) -> Plot:
    """Draw a plot at both widths; `make` is called with whether the screen is wide."""
    return Plot(
        draw_svg(make(True), title=title, css_class="wide"),
        draw_svg(make(False), title=title, css_class="narrow"),
    )


def width(wide: bool) -> int:
    """Return a plot's width in pixels, axes included."""
    return WIDE if wide else NARROW


def colour(phases: Sequence[str]) -> alt.Color:
    """Colour marks by their field ``phase``."""
    scale = alt.Scale(domain=list(phases), range=[COLOURS[phase] for phase in phases])
    return alt.Color("phase:N", scale=scale, legend=None)


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
    data = pl.DataFrame(
        {
            "phase": [figure.phase for figure in figures],
            "share": [figure.share for figure in figures],
            "order": list(range(len(figures))),
            "tip": [f"{figure.phase.replace('_', '-')}: {figure.share:.1%}" for figure in figures],
        }
    )

    def make(wide: bool) -> alt.TopLevelMixin:
        axis = alt.Axis(title=None, format="%", tickCount=5, grid=False, domain=False)
        bar: alt.Chart = (
            alt.Chart(data)
            .mark_bar(height=30, stroke="var(--paper)", strokeWidth=1)
            .encode(
                x=alt.X("share:Q", stack="zero", scale=alt.Scale(domain=[0, 1], nice=False), axis=axis),
                color=colour([figure.phase for figure in figures]),
                order="order:Q",
                description="tip:N",
            )
            .properties(width=width(wide), height=34)
        )
        return bar

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


def _draw_each_shard(shards: Sequence[ShardFigure], wide: bool) -> alt.TopLevelMixin:
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
    axis = alt.Axis(title="shard", labelAngle=0, ticks=False, values=names[::every])
    bars = (
        alt.Chart(pl.DataFrame(data))
        .mark_bar()
        .encode(
            x=alt.X("shard:O", sort=names, axis=axis, scale=alt.Scale(paddingInner=0.2)),
            y=alt.Y("time:Q", stack="zero", title=unit, axis=alt.Axis(tickCount=4)),
            color=colour(["start_up", "annotate"]),
            order="order:Q",
            description="tip:N",
        )
    )
    return alt.layer(bars, _mean_line(mean, "y")).properties(width=min(width(wide), len(shards) * 80), height=150)


def _draw_spread(shards: Sequence[ShardFigure], wide: bool) -> alt.TopLevelMixin:
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
    bars = (
        alt.Chart(bins)
        .mark_bar(color=COLOURS["annotate"], stroke="var(--paper)", strokeWidth=0.6)
        .encode(
            x=alt.X(
                "low:Q",
                bin="binned",
                title=f"{unit} a shard",
                scale=alt.Scale(zero=False),
                axis=alt.Axis(grid=False, tickCount=8 if wide else 4),
            ),
            x2="high:Q",
            y=alt.Y("shards:Q", title="shards", axis=alt.Axis(tickCount=4)),
            description="tip:N",
        )
    )
    mean = float(seconds.mean())  # type: ignore[arg-type]
    return alt.layer(bars, _mean_line(mean, "x")).properties(width=width(wide), height=150)


def _mean_line(mean: float, channel: str) -> alt.Chart:
    line = alt.Chart(pl.DataFrame({"mean": [mean]})).mark_rule(stroke="var(--ink)", strokeDash=[4, 3], strokeWidth=1)
    placed: alt.Chart = line.encode(y="mean:Q") if channel == "y" else line.encode(x="mean:Q")
    return placed
