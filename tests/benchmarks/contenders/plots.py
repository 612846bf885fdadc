"""The results as pictures: time by size, time and memory at the largest size, and time by cores."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import altair as alt
import polars as pl
import vl_convert
from benchmarks.contenders.figures import Summary
from benchmarks.contenders.plan import CONTENDERS, KINDS

#: Okabe and Ito's palette, which the colour-blind can tell apart; shapes and the names at the lines' ends do the rest.
COLOURS = {
    "spacy": "#000000",
    "spacy-n_process": "#56b4e9",
    "spacy-apply": "#0072b2",
    "pool": "#999999",
    "pool-documents": "#009e73",
    "dataloader": "#cc79a7",
    "ray": "#e69f00",
    "datasets": "#b8a800",
    "spacy-gpu": "#666666",
    "shardner": "#d55e00",
    "shardner-gpu": "#8c3b00",
}
SHAPES = {
    "spacy": "circle",
    "spacy-n_process": "square",
    "spacy-apply": "triangle-up",
    "pool": "cross",
    "pool-documents": "diamond",
    "dataloader": "triangle-down",
    "ray": "triangle-right",
    "datasets": "triangle-left",
    "spacy-gpu": "stroke",
    "shardner": "circle",
    "shardner-gpu": "square",
}
#: Times the longest bar: how long an axis is, so that what is written at the bar's end has room.
LABEL_ROOM = 1.4
_CONFIG = {
    "background": "white",
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e4e4e4"},
    "legend": {"labelFontSize": 12, "symbolSize": 90, "title": None},
    "title": {"fontSize": 14, "anchor": "start", "fontWeight": "bold"},
}


def draw_all(directory: Path, summaries: Sequence[Summary], scaling: Sequence[Mapping[str, Any]], cores: int) -> None:
    """Write every plot for which there are figures, as SVG."""
    ended = [each for each in summaries if each.wall_s is not None and each.cores == cores]
    charts = {
        "growth.svg": plot_growth(ended),
        "largest.svg": plot_largest(ended),
        "scaling.svg": plot_scaling(scaling),
    }
    for name, chart in charts.items():
        if chart is not None:
            svg = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": _CONFIG}, allowed_base_urls=[])
            (directory / name).write_text(svg, encoding="utf-8")


def _marks(names: Sequence[str]) -> tuple[alt.Color, alt.Shape]:
    shown = [name for name in CONTENDERS if name in names]
    colour = alt.Color("contender:N", scale=alt.Scale(domain=shown, range=[COLOURS[name] for name in shown]))
    shape = alt.Shape("contender:N", scale=alt.Scale(domain=shown, range=[SHAPES[name] for name in shown]))
    return colour, shape


def plot_growth(summaries: Sequence[Summary]) -> alt.TopLevelMixin | None:
    """Draw seconds by megabytes on logarithmic axes, a panel a kind; bars are the range of the repeats."""
    panels = []
    sizes = {kind: sorted({each.megabytes for each in summaries if each.kind == kind}) for kind in KINDS}
    colour, shape = _marks([each.contender for each in summaries if len(sizes[each.kind]) > 1])
    ticks = [digit * 10.0**power for power in range(6) for digit in (1, 2, 3, 5)]
    for kind in KINDS:
        rows = [each for each in summaries if each.kind == kind]
        if len(sizes[kind]) < 2:
            continue
        data = pl.DataFrame(
            [(e.contender, e.megabytes, e.wall_s, e.least_s, e.most_s, e.contender == "shardner") for e in rows],
            schema=["contender", "megabytes", "seconds", "least", "most", "ours"],
            orient="row",
        )
        axis = alt.Axis(values=sizes[kind], format=".2~r")
        scale = alt.Scale(type="log", nice=False, padding=12)
        base = alt.Chart(data).encode(
            x=alt.X("megabytes:Q", scale=scale, title="megabytes of text", axis=axis), color=colour
        )
        y = alt.Y("seconds:Q", scale=scale, title="seconds", axis=alt.Axis(values=ticks))
        width = alt.condition("datum.ours", alt.value(3), alt.value(1.5))
        lines = base.mark_line().encode(y=y, strokeWidth=width)
        ranges = base.mark_rule().encode(y=alt.Y("least:Q", title="seconds"), y2="most:Q")
        points = base.mark_point(filled=True, size=80, opacity=1).encode(y=y, shape=shape)
        panels.append((lines + ranges + points).properties(width=290, height=330, title=kind))
    return alt.hconcat(*panels).resolve_scale(y="shared") if panels else None


def plot_largest(summaries: Sequence[Summary]) -> alt.TopLevelMixin | None:
    """Draw seconds and memory at the largest size that each kind was measured at, a row a kind."""
    rows = []
    for kind in KINDS:
        members = [each for each in summaries if each.kind == kind]
        if members:
            largest = max(each.megabytes for each in members)
            members = sorted((each for each in members if each.megabytes == largest), key=lambda each: each.wall_s or 0)
            rows.append(alt.hconcat(_bars(members, "seconds"), _bars(members, "memory, MiB"), spacing=30))
    return alt.vconcat(*rows, spacing=24) if rows else None


def _bars(members: Sequence[Summary], what: str) -> alt.LayerChart:
    seconds = what == "seconds"
    data = pl.DataFrame(
        [
            (
                each.contender,
                each.wall_s if seconds else each.peak_tree_bytes / 2**20,
                (f"{each.wall_s:,.1f}" if seconds else f"{each.peak_tree_bytes / 2**20:,.0f}")
                + (" (output wrong)" if seconds and each.verdict == "different" else ""),
            )
            for each in members
        ],
        schema=["contender", "value", "label"],
        orient="row",
    )
    names = [each.contender for each in members]
    widest = float(data["value"].max()) * LABEL_ROOM  # type: ignore[arg-type]
    axis = alt.Axis(title=None, labelLimit=130) if seconds else None
    base = alt.Chart(data).encode(
        y=alt.Y("contender:N", sort=names, axis=axis),
        x=alt.X("value:Q", title=what, axis=alt.Axis(tickCount=5), scale=alt.Scale(domain=[0, widest], nice=False)),
    )
    ours = alt.condition("datum.contender == 'shardner'", alt.value("#d55e00"), alt.value("#8fa9bd"))
    bars = base.mark_bar().encode(color=ours)
    labels = base.mark_text(align="left", dx=4, fontSize=11).encode(text="label:N")
    title = f"{members[0].kind}, {members[0].megabytes:.1f} MB" if seconds else ""
    return (bars + labels).properties(width=320, height=22 * len(members), title=title)


def plot_scaling(scaling: Sequence[Mapping[str, Any]]) -> alt.TopLevelMixin | None:
    """Draw Shardner's speed-up by cores, beside the ideal."""
    if not scaling:
        return None
    data = pl.DataFrame(
        [(f"{each['kind']}, {each['megabytes']:.1f} MB", each["cores"], each["speedup"]) for each in scaling],
        schema=["corpus", "cores", "speedup"],
        orient="row",
    )
    cores = sorted(set(data["cores"].to_list()))
    scale = alt.Scale(type="log", base=2, nice=False)
    x = alt.X("cores:Q", scale=scale, title="cores", axis=alt.Axis(values=cores, format="d"))
    y = alt.Y("speedup:Q", scale=scale, title="times as fast as one core", axis=alt.Axis(values=cores))
    ideal = alt.Chart(pl.DataFrame({"cores": cores, "speedup": cores})).mark_line(color="#999999", strokeDash=[5, 4])
    measured = alt.Chart(data).mark_line(point=alt.OverlayMarkDef(size=80, filled=True), strokeWidth=2.5)
    colour = alt.Color("corpus:N", scale=alt.Scale(range=["#d55e00", "#0072b2", "#009e73"]))
    panel: alt.LayerChart = ideal.encode(x=x, y=y) + measured.encode(x=x, y=y, color=colour)
    return panel.properties(width=330, height=330, title="Speed-up by cores (dashed: ideal)")
