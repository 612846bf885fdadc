"""The page of the report: one HTML file that needs no network and no other file.

Text from the corpus is untrusted. The template escapes everything (Jinja's autoescape). Characters that control a
terminal or the direction of text are made visible. The only markup that passes is our own SVG, and the places
where a path may break. A content security policy in the page forbids requests, and every script but our own, which it
names by hash. That script sorts tables; without it nothing is missing from the page.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
import sys
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from shardner.data.provenance import Provenance
from shardner.data.typed_json import to_plain
from shardner.report.examples import Example
from shardner.report.figures import Performance, RuleFigure, ShardFigure
from shardner.report.last_run import compare_labels
from shardner.report.mentions import Mention
from shardner.report.nested_values import grow_tree
from shardner.report.plot_timeline import plot_timeline
from shardner.report.plots import MOST_SHARD_BARS, plot_phases, plot_shards
from shardner.report.timeline import ANNOTATE
from shardner.report.words import HEADS
from shardner.stages.whole_pipeline.wording import describe_check, describe_left_out_with_check
from shardner.terminal import numbers
from shardner.terminal.visible_text import one_line, show_controls

HERE = Path(__file__).parent

#: Rows that the page shows of what can be long; it says how many more there are.
MOST_LABELS, MOST_REASONS, MOST_DEVICES, MOST_LANES, MOST_SESSIONS = 40, 12, 24, 40, 50
MOST_SHARD_ROWS = 5_000
#: Characters that the page shows of the text of an entity, and of a raw record.
ENTITY_CHARS, RAW_CHARS = 80, 240
#: Colours for labels in texts; see report.css.
LABEL_COLOURS = 8

#: Those of usual labels, so that they differ; another label's follows from its name.
_COLOUR_OF = {
    "PERSON": 0, "PER": 0, "ORG": 1, "GPE": 2, "LOC": 3, "DATE": 4, "MONEY": 5, "PRODUCT": 6, "CARDINAL": 7, "TIME": 4,
    "PERCENT": 5, "QUANTITY": 7, "ORDINAL": 7, "NORP": 3, "FAC": 6, "EVENT": 6, "WORK_OF_ART": 6, "MISC": 7,
}  # fmt: skip

#: What the page calls each phase, and what it says of it.

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

#: The rules whose jobs leave records, in the order in which they wait for one another.
STAGES = (("prepare_model", "split_part"), ("annotate_shard",), ("number_documents", "merge_parts"))
#: Files that every run leaves beside its page.
FILES = ("entities.parquet", "documents.parquet", "rejected.parquet", "performance.json", "provenance.json")
#: How a query of DuckDB names the tables, where it is started in the directory of results.
TABLES = {name: f"'{name}.parquet'" for name in ("entities", "documents", "rejected")}
#: Fields of the provenance that the page shows apart from the others.
SHOWN_APART = {"command", "python", "platform", "packages"}
#: The sections by id, in order, and what the list of contents calls them: what was found comes before how it ran.
CONTENTS = {
    "faster": "Advice",
    "last": "Last run",
    "entities": "Entities",
    "scores": "Scores",
    "examples": "Documents",
    "rejected": "Rejected",
    "more": "Forecast",
    "timeline": "Timeline",
    "phases": "Phases",
    "shards": "Shards",
    "devices": "Devices and memory",
    "made": "Provenance",
}

#: What the page calls the spread of a figure, and how it writes the numbers.
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


def render_page(
    performance: Performance,
    examples: Sequence[Example],
    mentions: Sequence[Mention],
    provenance: Provenance,
    tables: Mapping[str, str] = TABLES,
) -> str:
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
        left_out=describe_left_out_with_check(performance.model, performance.whole_pipeline),
        whole_pipeline=describe_check(performance.whole_pipeline),
        written=numbers.moment(datetime.now(UTC).timestamp()),
        stages=_list_stages(performance),
        phases=PHASES,
        timeline=plot_timeline(performance),
        phase_plot=plot_phases(performance),
        shard_plot=plot_shards(performance),
        lanes=lanes[:MOST_LANES],
        more_lanes=max(len(lanes) - MOST_LANES, 0),
        shard_rows=_list_shards(performance.shards),
        many_shards=len(performance.shards) > MOST_SHARD_BARS,
        most_sessions=MOST_SESSIONS,
        spreads=SPREADS,
        labels=performance.labels[:MOST_LABELS],
        more_labels=max(len(labels) - MOST_LABELS, 0),
        most_in_bin=max((each.documents for each in performance.entities_a_document), default=1),
        colour_of=colour_of,
        heads=HEADS,
        tables=tables,
        quoted=_quoted,
        mentions=[(label, list(group)) for label, group in groupby(mentions, key=lambda each: each.label)],
        values=[(column, list(group)) for column, group in groupby(performance.values, key=lambda each: each.column)],
        changes=compare_labels(performance.labels, performance.last_run) if performance.last_run else [],
        reasons=performance.rejected[:MOST_REASONS],
        more_reasons=max(len(performance.rejected) - MOST_REASONS, 0),
        devices=performance.devices[:MOST_DEVICES],
        more_devices=max(len(performance.devices) - MOST_DEVICES, 0),
        examples=examples,
        provenance=grow_tree({key: value for key, value in to_plain(provenance).items() if key not in SHOWN_APART}),
        command=provenance.command,
        versions=_list_versions(provenance),
        files=FILES,
        entity_chars=ENTITY_CHARS,
        raw_chars=RAW_CHARS,
    )


def colour_of(label: str) -> int:
    """Return the number of a label's colour: the same in every run, and another for each of the usual labels."""
    return _COLOUR_OF.get(label, zlib.crc32(label.encode("utf-8", "surrogatepass")) % LABEL_COLOURS)


def _quoted(name: str) -> str:
    """Return the name of a column as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


class _CompiledTemplates(FileSystemBytecodeCache):
    """Keeps the compiled template beside Python's compiled modules, where it may be written: it takes 0.2 s."""

    def __init__(self) -> None:
        super().__init__(str(Path(importlib.util.cache_from_source(__file__)).parent), "%s.jinja-cache")

    def dump_bytecode(self, bucket: Bucket) -> None:
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        bytecode_cache=_CompiledTemplates(),
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
        breakable,
    ):
        environment.filters[function.__name__] = function
    return environment


def breakable(path: str) -> Markup:
    """Return a path that a browser may break behind its separators, rather than within a word."""
    return Markup("<wbr>").join(re.split(r"(?<=[/\\_.-])(?=.)", show_controls(path)))


def _make_visible(value: object) -> object:
    """Make control characters visible in everything that the template writes."""
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
    """Return the shards by number; where there are many, those that took longest, and these first."""
    if len(shards) <= MOST_SHARD_BARS:
        return list(shards)
    return sorted(shards, key=lambda shard: -shard.elapsed_s)[:MOST_SHARD_ROWS]


def _list_stages(performance: Performance) -> list[list[RuleFigure]]:
    rules = {figure.rule: figure for figure in performance.rules}
    stages = [[rules[name] for name in names if name in rules] for names in STAGES]
    return [stage for stage in stages if stage]


def _list_contents(performance: Performance) -> list[tuple[str, str]]:
    left_out = set() if performance.scores else {"scores"}
    left_out |= set() if performance.forecast else {"more"}
    left_out |= set() if performance.last_run else {"last"}
    return [(id_, heading) for id_, heading in CONTENTS.items() if id_ not in left_out]


def _list_versions(provenance: Provenance) -> list[tuple[str, str]]:
    """Return what ran, with its version: the workflow, Python, the operating system, packages."""
    ours = provenance.shardner
    return [
        ("shardner", ours.version + (f" (commit {ours.commit})" if ours.commit else "")),
        ("python", provenance.python),
        ("platform", provenance.platform),
        *provenance.packages.items(),
    ]
