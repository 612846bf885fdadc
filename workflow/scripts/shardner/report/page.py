"""Write the report: one HTML file that needs no network, no script and no other file.

Text from the corpus is untrusted. The template escapes everything (Jinja's autoescape), what controls the terminal or
the direction of text is made visible, the only markup that passes is our own SVG, and a content security policy in
the page forbids scripts and requests even so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shardner.report import text
from shardner.report.examples import Example
from shardner.report.figures import Performance, ShardFigure
from shardner.report.plot_timeline import plot_timeline
from shardner.report.plots import plot_phases, plot_shards
from shardner.report.timeline import ANNOTATE
from shardner.report.tree import grow

HERE = Path(__file__).parent

#: Rows shown of what can be long; the page says how many there are more.
MOST_LABELS, MOST_REASONS, MOST_DEVICES, MOST_LANES, MOST_SHARDS = 40, 12, 24, 40, 80
#: Shards listed where they are too many to list all: those that took longest.
LONGEST_SHARDS = 15
#: Characters of an entity's text or a raw record.
ENTITY_CHARS, RAW_CHARS = 80, 240
#: Kinds of colour for labels in texts; see report.css.
KINDS = 8

PHASES = {
    "start_up": ("start-up", "starting Python, importing"),
    "load": ("load", "the model, from disk to memory and to the device"),
    "read": ("read", "the shard's texts"),
    "tokenize": ("tokenize", "texts to tokens"),
    "encode": ("encode", "tokens to vectors, and the components before the recogniser"),
    "decode": ("decode", "vectors to entities"),
    "recognise": ("recognise", "components that spaCy runs: all of them in its own engine"),
    "audit": ("audit", "a sample of documents again, with stock spaCy"),
    "write": ("write", "tables of results"),
    "idle": ("idle", "waiting for the next block, or for the others"),
}


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of the timeline, summed up for its table."""

    name: str
    jobs: int
    start_up_s: float
    load_s: float
    annotate_s: float
    busy_s: float


def render(performance: Performance, examples: Sequence[Example], provenance: Mapping[str, Any]) -> str:
    """Return the report as HTML."""
    template = _environment().get_template("report.html.jinja")
    lanes = _sum_lanes(performance)
    labels = [figure.label for figure in performance.labels]
    return template.render(
        p=performance,
        css=Markup((HERE / "report.css").read_text("utf-8")),  # ours, and without text from anywhere else
        written=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        phases=PHASES,
        timeline=plot_timeline(performance),
        phase_plot=plot_phases(performance),
        shard_plot=plot_shards(performance),
        lanes=lanes[:MOST_LANES],
        more_lanes=max(len(lanes) - MOST_LANES, 0),
        shard_rows=_list_shards(performance.shards),
        labels=performance.labels[:MOST_LABELS],
        more_labels=max(len(labels) - MOST_LABELS, 0),
        kind={label: index % KINDS for index, label in enumerate(labels)},
        reasons=performance.rejected[:MOST_REASONS],
        more_reasons=max(len(performance.rejected) - MOST_REASONS, 0),
        devices=performance.devices[:MOST_DEVICES],
        more_devices=max(len(performance.devices) - MOST_DEVICES, 0),
        examples=examples,
        model=None if "model" in provenance else grow(performance.model),
        provenance=grow(provenance),
        entity_chars=ENTITY_CHARS,
        raw_chars=RAW_CHARS,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_make_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        text.count,
        text.compact,
        text.percent,
        text.duration,
        text.size,
        text.plural,
        text.score,
        text.one_line,
    ):
        environment.filters[function.__name__] = function
    return environment


def _make_visible(value: object) -> object:
    """Show control characters in everything that the template writes."""
    return text.show_controls(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _sum_lanes(performance: Performance) -> list[Lane]:
    lanes: dict[str, list[float]] = {}
    for row in performance.timeline:
        sums = lanes.setdefault(row.lane, [0, 0.0, 0.0, 0.0, 0.0])
        busy_s = row.end_offset_s - row.start_offset_s
        for index, value in enumerate((1, row.start_up_s, row.load_s, row.annotate_s, busy_s)):
            sums[index] += value if row.rule == ANNOTATE or index in (0, 4) else 0.0
    return [Lane(name, int(sums[0]), *sums[1:]) for name, sums in lanes.items()]


def _list_shards(shards: Sequence[ShardFigure]) -> list[ShardFigure]:
    """Return all shards, or those that took longest where they are many."""
    if len(shards) <= MOST_SHARDS:
        return list(shards)
    return sorted(shards, key=lambda shard: -shard.elapsed_s)[:LONGEST_SHARDS]
