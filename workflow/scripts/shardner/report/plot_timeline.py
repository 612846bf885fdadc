"""The timeline: a lane for each worker, or the sum of workers by phase where there are too many lanes."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from shardner.report.figures import Performance, TimelineRow
from shardner.report.plots import Plot, axis_unit, colour, draw_at_both_widths, name_of, quantity, values, width
from shardner.report.svg import Specification
from shardner.report.timeline import ANNOTATE
from shardner.terminal.numbers import duration

#: A timeline with more lanes or bars than these shows sums.
MOST_LANES, MOST_BARS = 40, 600
#: Steps of time over which workers are summed.
_STEPS = 160


def plot_timeline(performance: Performance) -> tuple[Plot, bool] | None:
    """Draw which worker ran when; None where no job ran.

    Also tell whether workers were summed up because there are too many to show.
    """
    rows = performance.timeline
    if not rows:
        return None
    lanes = list(dict.fromkeys(row.lane for row in rows))
    if len(lanes) <= MOST_LANES and len(rows) <= MOST_BARS / 3:
        return draw_at_both_widths(
            lambda wide: _draw_lanes(performance, lanes, wide), "Timeline of jobs by device and worker"
        ), False
    return draw_at_both_widths(lambda wide: _draw_crowd(performance, wide), "Workers by phase over time"), True


def _pieces(row: TimelineRow) -> list[tuple[str, float, float]]:
    """Return the stretches of a row as (phase, start, end)."""
    if row.rule != ANNOTATE:
        return [("other", row.start_offset_s, row.end_offset_s)]
    loading = row.start_offset_s + row.start_up_s
    ready = loading + row.load_s
    pieces = [
        ("start_up", row.start_offset_s, loading),
        ("load", loading, ready),
        ("annotate", ready, row.end_offset_s),
    ]
    return [piece for piece in pieces if piece[2] > piece[1]]


def _draw_lanes(performance: Performance, lanes: list[str], wide: bool) -> Specification:
    unit_s, unit = axis_unit(performance.headline.wall_s)

    def name(lane: str) -> str:
        return lane if wide else lane.replace(" worker ", " w").replace(" slot ", " s")

    data = [
        {
            "lane": name(row.lane),
            "phase": phase,
            "from": start / unit_s,
            "to": end / unit_s,
            "tip": f"{_job(row)}: {phase.replace('_', '-')}, {duration(end - start)} from {duration(start)} on",
        }
        for row in performance.timeline
        for phase, start, end in _pieces(row)
    ]
    lanes = list(dict.fromkeys(map(name, lanes)))
    # Room for the widest font that a browser may choose: Vega measures with its own font.
    room = min(max(map(len, lanes)) * 7 + 6, 220 if wide else 116)
    sides = {"labelLimit": room, "minExtent": room, "maxExtent": room}
    axis = {"title": None, "grid": False, "ticks": False, "domain": False, **sides}
    bars = {
        "data": values(data),
        "mark": {"type": "bar", "height": 11},
        "encoding": {
            "y": name_of("lane", sort=lanes, axis=axis),
            "x": quantity("from", title=f"{unit} since the start", axis={"tickCount": 8 if wide else 4}),
            "x2": {"field": "to"},
            "color": colour(["start_up", "load", "annotate", "other"]),
            "description": name_of("tip"),
        },
    }
    layers = [bars, *_draw_pauses(performance, unit_s)]
    return {"layer": layers, "width": width(wide), "height": {"step": 18}}


def _job(row: TimelineRow) -> str:
    return row.rule if row.shard is None else f"shard {row.shard}, {row.lane}"


def _draw_pauses(performance: Performance, unit_s: float) -> list[Specification]:
    if not performance.pauses or len(performance.pauses) > 20:
        return []
    data = [{"at": pause.at_offset_s / unit_s} for pause in performance.pauses]
    mark = {"type": "rule", "stroke": "var(--ink)", "strokeDash": [3, 3], "strokeWidth": 1}
    return [{"data": values(data), "mark": mark, "encoding": {"x": quantity("at")}}]


def _draw_crowd(performance: Performance, wide: bool) -> Specification:
    unit_s, unit = axis_unit(performance.headline.wall_s)
    phases = ["other", "start_up", "load", "annotate"]
    data = sum_by_phase(performance.timeline, performance.headline.wall_s).with_columns(pl.col("at") / unit_s)
    order = pl.DataFrame({"phase": phases, "order": [3, 1, 2, 0]})
    axis = {"tickCount": 8 if wide else 4, "grid": False}
    return {
        "data": values(data.join(order, on="phase", how="left", maintain_order="left")),
        "mark": {"type": "area", "interpolate": "step-after", "strokeWidth": 0},
        "encoding": {
            "x": quantity("at", title=f"{unit} since the start", axis=axis),
            "y": quantity("workers", title="workers", stack="zero", axis={"tickCount": 4}),
            "color": colour(phases),
            "order": quantity("order"),
        },
        "width": width(wide),
        "height": 200,
    }


def sum_by_phase(rows: Sequence[TimelineRow], wall_s: float) -> pl.DataFrame:
    """Return the mean number of workers in each phase, in steps of equal length: ``phase``, ``at`` (s), ``workers``."""
    step_s = max(wall_s, 1e-9) / _STEPS
    pieces = [piece for row in rows for piece in _pieces(row)]
    frame = pl.DataFrame(pieces, schema={"phase": pl.String, "start": pl.Float64, "end": pl.Float64}, orient="row")
    steps = pl.DataFrame({"step": range(_STEPS)}).with_columns(at=pl.col("step") * step_s)
    # Each stretch is spread over the steps that it touches.
    touched = frame.with_columns(
        step=pl.int_ranges(
            (pl.col("start") / step_s).floor().cast(pl.Int64).clip(0, _STEPS - 1),
            (pl.col("end") / step_s).ceil().cast(pl.Int64).clip(1, _STEPS),
        )
    ).explode("step", empty_as_null=False, keep_nulls=False)
    sums = (
        touched.with_columns(at=pl.col("step") * step_s)
        .with_columns(
            seconds=(pl.min_horizontal("end", pl.col("at") + step_s) - pl.max_horizontal("start", "at")).clip(0)
        )
        .group_by("phase", "step")
        .agg(workers=pl.col("seconds").sum() / step_s)
    )
    grid = frame.select(pl.col("phase").unique()).join(steps, how="cross")
    return (
        grid.join(sums.with_columns(pl.col("step").cast(pl.Int64)), on=["phase", "step"], how="left")
        .with_columns(pl.col("workers").fill_null(0.0).round(2))
        .sort("phase", "step")
        .select("phase", "at", "workers")
    )
