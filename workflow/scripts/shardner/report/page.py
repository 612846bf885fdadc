"""Write the report: one HTML file that needs no network and no other file.

Text from the corpus is untrusted. The template escapes everything (Jinja's autoescape), what controls the terminal or
the direction of text is made visible, the only markup that passes is our own SVG, and a content security policy in
the page forbids requests and every script but one, ours, by its hash. That one sorts tables; without it nothing is
missing from the page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shardner.report.examples import Example
from shardner.report.figures import Performance, RuleFigure, ShardFigure
from shardner.report.nested_values import grow
from shardner.report.plot_timeline import plot_timeline
from shardner.report.plots import MOST_SHARDS as MOST_BARS
from shardner.report.plots import plot_phases, plot_shards
from shardner.report.timeline import ANNOTATE
from shardner.terminal import numbers
from shardner.terminal.visible_text import one_line, show_controls

HERE = Path(__file__).parent

#: Rows shown of what can be long; the page says how many there are more.
MOST_LABELS, MOST_REASONS, MOST_DEVICES, MOST_LANES, MOST_SESSIONS = 40, 12, 24, 40, 50
MOST_SHARDS, MOST_PACKAGES = 5_000, 40
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


#: Who waits for whom, of the rules whose jobs leave records.
STAGES = (("prepare_model", "split_corpus"), ("annotate_shard",), ("merge_shards",))
#: What every run leaves beside its page.
FILES = ("entities.parquet", "documents.parquet", "rejected.parquet", "performance.json", "provenance.json")
#: Parts of the provenance that the page shows by themselves.
SHOWN = {"command", "python", "platform", "packages"}
#: Sections by id, in order, as the list of contents calls them.
CONTENTS = {
    "faster": "Faster",
    "more": "More",
    "timeline": "Timeline",
    "phases": "Phases",
    "shards": "Shards",
    "devices": "Devices and memory",
    "entities": "Entities",
    "scores": "Scores",
    "rejected": "Rejected",
    "examples": "Documents",
    "made": "Provenance",
}


#: How the spread of a figure is called, and how its numbers are written.
SPREADS = {
    "elapsed_s": ("Time", numbers.duration),
    "start_up_s": ("Until ready", numbers.duration),
    "chars": ("Characters", numbers.compact),
    "tokens_per_s": ("Tokens a second", numbers.compact),
    "peak_rss_bytes": ("Memory", numbers.size),
    "peak_device_bytes": ("Memory of the device", numbers.size),
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
    script = (HERE / "report.js").read_text("utf-8")
    return template.render(
        p=performance,
        css=Markup((HERE / "report.css").read_text("utf-8")),  # ours, and without text from anywhere else
        script=Markup(script),  # likewise
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        contents=_list_contents(performance),
        written=numbers.moment(datetime.now(UTC).timestamp()),
        stages=_list_stages(performance),
        phases=PHASES,
        timeline=plot_timeline(performance),
        phase_plot=plot_phases(performance),
        shard_plot=plot_shards(performance),
        lanes=lanes[:MOST_LANES],
        more_lanes=max(len(lanes) - MOST_LANES, 0),
        shard_rows=_list_shards(performance.shards),
        many_shards=len(performance.shards) > MOST_BARS,
        most_sessions=MOST_SESSIONS,
        spreads=SPREADS,
        labels=performance.labels[:MOST_LABELS],
        more_labels=max(len(labels) - MOST_LABELS, 0),
        kind={label: index % KINDS for index, label in enumerate(labels)},
        reasons=performance.rejected[:MOST_REASONS],
        more_reasons=max(len(performance.rejected) - MOST_REASONS, 0),
        devices=performance.devices[:MOST_DEVICES],
        more_devices=max(len(performance.devices) - MOST_DEVICES, 0),
        examples=examples,
        model=None if "model" in provenance else grow(performance.model),
        provenance=grow({key: value for key, value in provenance.items() if key not in SHOWN}),
        command=provenance.get("command"),
        versions=list_versions(provenance),
        files=FILES,
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
        numbers.count,
        numbers.compact,
        numbers.percent,
        numbers.duration,
        numbers.size,
        numbers.plural,
        numbers.score,
        numbers.moment,
        numbers.rough_duration,
        one_line,
    ):
        environment.filters[function.__name__] = function
    return environment


def _make_visible(value: object) -> object:
    """Show control characters in everything that the template writes."""
    return show_controls(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _sum_lanes(performance: Performance) -> list[Lane]:
    lanes: dict[str, list[float]] = {}
    for row in performance.timeline:
        sums = lanes.setdefault(row.lane, [0, 0.0, 0.0, 0.0, 0.0])
        busy_s = row.end_offset_s - row.start_offset_s
        for index, value in enumerate((1, row.start_up_s, row.load_s, row.annotate_s, busy_s)):
            sums[index] += value if row.rule == ANNOTATE or index in (0, 4) else 0.0
    return [Lane(name, int(sums[0]), *sums[1:]) for name, sums in lanes.items()]


def _list_shards(shards: Sequence[ShardFigure]) -> list[ShardFigure]:
    """Return shards in order, or where they are many those that took longest first."""
    if len(shards) <= MOST_BARS:
        return list(shards)
    return sorted(shards, key=lambda shard: -shard.elapsed_s)[:MOST_SHARDS]


def _list_stages(performance: Performance) -> list[list[RuleFigure]]:
    rules = {figure.rule: figure for figure in performance.rules}
    stages = [[rules[name] for name in names if name in rules] for names in STAGES]
    return [stage for stage in stages if stage]


def _list_contents(performance: Performance) -> list[tuple[str, str]]:
    left_out = set() if performance.scores else {"scores"}
    left_out |= set() if performance.forecast else {"more"}
    return [(id_, heading) for id_, heading in CONTENTS.items() if id_ not in left_out]


def list_versions(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what ran, with its version: the workflow, Python, packages. The provenance is free-form."""
    ours = provenance.get("shardner")
    found = []
    if isinstance(ours, Mapping) and ours.get("version"):
        commit = f" (commit {ours['commit']})" if ours.get("commit") else ""
        found.append(("shardner", f"{ours['version']}{commit}"))
    found += [(name, str(provenance[name])) for name in ("python", "platform") if provenance.get(name)]
    packages = provenance.get("packages")
    if isinstance(packages, Mapping):
        found += [(str(name), str(version)) for name, version in list(packages.items())[:MOST_PACKAGES]]
    return found
