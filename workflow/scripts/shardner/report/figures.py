"""The figures of a run, as dataclasses; `shardner.report.performance_file` writes them. Units are in the names.

Unless a field says otherwise, offsets and wall times leave out pauses (see `shardner.report.clock`), and shares are
fractions between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from shardner.data.pipeline_check import PipelineCheck
from shardner.data.provenance import PipelineDescription
from shardner.demo.score import ScoreBand
from shardner.report.forecast import Forecast

#: Raised whenever a field of `Performance`, or of what it holds, changes its meaning or goes away.
FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Headline:
    """The run in one line. Rates are over `annotate_wall_s`."""

    documents: int
    rejected: int
    reused_documents: int
    audited: int  # documents annotated again with stock spaCy
    identical: int  # of the audited documents, those with the same entities
    near_ties: int  # of the audited documents, those whose entities differ within rounding
    entities: int
    tokens: int
    chars: int
    shards: int
    run_s: float  # from the first job's start to the last one's end; a pause between two sessions is not counted
    wall_s: float  # the union of all jobs' intervals
    annotate_wall_s: float  # the union of the annotate jobs' intervals
    between_jobs_s: float  # short gaps in which no job ran; not part of `wall_s`
    documents_per_s: float
    tokens_per_s: float
    chars_per_s: float
    joules_per_million_tokens: float | None = None  # of the GPUs alone; null where a GPU does not count its energy


@dataclass(frozen=True, slots=True)
class UnsureJoin:
    """A place near which entities may differ from those of the uncut document."""

    doc: int
    char: int


@dataclass(frozen=True, slots=True)
class LongDocuments:
    """Documents that were cut into windows, and how the windows were put together."""

    documents: int
    windows: int
    joins_by_margins: int  # cuts at which entities of both sides were compared: the engine has no candidates
    unsure_joins: int
    unsure: tuple[UnsureJoin, ...]  # the first of the unsure joins


@dataclass(frozen=True, slots=True)
class PhaseFigure:
    """Where the annotate jobs' workers spent their time."""

    phase: str
    worker_s: float
    share: float


@dataclass(frozen=True, slots=True)
class RuleFigure:
    """All jobs of one rule. Of jobs that differ, the largest value counts."""

    rule: str
    jobs: int
    total_s: float
    longest_s: float
    threads: int  # given to a job
    requested_memory_bytes: int | None  # asked for a job; null where nothing was asked for
    job_memory_bytes: int  # of all processes of a job: their peaks, added up, so the job never used more
    peak_rss_bytes: int  # of a single process
    peak_device_bytes: int


@dataclass(frozen=True, slots=True)
class ShardFigure:
    """One annotate job. `start_up_s` is the wall time until all its workers had the model loaded."""

    shard: int
    documents: int
    chars: int
    tokens: int
    entities: int
    elapsed_s: float
    start_up_s: float
    peak_rss_bytes: int
    peak_device_bytes: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Five numbers of a figure that every shard has; half of the shards lie between the quartiles."""

    figure: str  # a field of `ShardFigure`, or "tokens_per_s"
    smallest: float
    lower_quartile: float
    median: float
    upper_quartile: float
    largest: float


@dataclass(frozen=True, slots=True)
class Balance:
    """How even the shards are; a ratio of 1.0 is perfectly even. Shards that hold no text do not count."""

    shards: int
    chars_max_over_mean: float
    elapsed_max_over_mean: float
    longest_shard: int | None
    longest_s: float
    mean_s: float


@dataclass(frozen=True, slots=True)
class Lost:
    """What annotating lost to something else than work.

    The shares of workers are of the seconds of all workers; those of slots are of `slots` times `annotate_wall_s`.
    """

    start_up_share: float  # workers: starting, and loading the model
    start_up_worker_s: float
    worker_idle_share: float  # workers: waiting for a block, or for the other workers to finish
    slots: int  # jobs that ran side by side: each had a device, or a share of the cores
    slot_idle_share: float  # slots: without a job, at any time
    tail_idle_share: float  # slots: without any further job while other slots still had one
    tail_idle_s: float  # the same, in seconds per slot


@dataclass(frozen=True, slots=True)
class DeviceFigure:
    """One device of one host, and how long annotate jobs held it."""

    host: str
    kind: str  # "gpu" or "cpu"
    device: str
    device_uuid: str | None
    label: str
    slots: int
    jobs: int
    workers: int  # of the job with most workers
    busy_s: float
    busy_share: float  # of `slots` times `annotate_wall_s`
    # Of a GPU, means over the time in which annotate jobs held it; null for what the GPU does not report.
    utilisation_share: float | None = None  # of that time, in which a kernel ran
    memory_mean_bytes: float | None = None  # in use on the device, by all processes
    memory_peak_bytes: int | None = None
    memory_bytes: int | None = None  # all memory that the device has
    power_w: float | None = None
    energy_j: float | None = None  # the sum, not a mean


@dataclass(frozen=True, slots=True)
class EngineFigure:
    """Which engine annotated, where, and why."""

    engine: str
    reason: str
    device: str
    hosts: int
    jobs: int


@dataclass(frozen=True, slots=True)
class LabelFigure:
    """Entities of one label."""

    label: str
    entities: int
    share: float


@dataclass(frozen=True, slots=True)
class FrequentEntity:
    """A text with a label, and how often it was found."""

    text: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class EntityBin:
    """Documents that have so many entities."""

    least: int
    most: int | None  # null: any number
    documents: int


@dataclass(frozen=True, slots=True)
class FileFigure:
    """What the results hold of an input file."""

    file: str
    documents: int
    documents_without: int  # without any entity
    entities: int


@dataclass(frozen=True, slots=True)
class ValueFigure:
    """What the results hold of one value of a column that was kept, of those that have few values."""

    column: str
    value: str | None
    documents: int
    documents_without: int  # without any entity
    entities: int


@dataclass(frozen=True, slots=True)
class RejectedFigure:
    """Rejected records whose reasons differ in quoted values and numbers only, with one of the records."""

    reason: str
    count: int
    example_reason: str
    example_file: str
    example_row: int | None
    example_byte_offset: int | None
    example_raw: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which no job ran, long enough to be another run: left out of every offset and wall time."""

    at_offset_s: float
    pause_s: float


@dataclass(frozen=True, slots=True)
class Session:
    """Jobs with no pause between them. A run that was never stopped has one session."""

    started_at_s: float  # Unix time
    ended_at_s: float
    jobs: int  # of all rules; jobs whose results a later session replaced are not known any more
    shards: int


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """When a worker ran, or a job that had no workers. Offsets are from the first job's start."""

    rule: str
    shard: int | None
    host: str
    device: str
    device_uuid: str | None
    lane: str
    slot: int
    worker: int | None
    start_offset_s: float
    end_offset_s: float
    start_up_s: float
    load_s: float
    annotate_s: float


@dataclass(frozen=True, slots=True)
class ScoreFigure:
    """Scores against gold, null where there was nothing to score; `label` is null for all labels together."""

    label: str | None
    precision: float | None
    recall: float | None
    f: float | None


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the machines of annotate jobs have; null where not known. Of hosts that differ, the smallest counts."""

    cores_per_host: int | None = None  # that jobs could use
    host_memory_bytes: int | None = None
    device_memory_bytes: int | None = None  # of the smallest GPU that was used
    devices: int | None = None  # GPUs that jobs could have been given, used or not, of all hosts


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that would make the run faster or better, with the setting to change, if there is one."""

    kind: str
    text: str
    setting: str | None = None


@dataclass(frozen=True, slots=True)
class LastRun:
    """Figures of the run before this one, in the same directory of results."""

    pipeline: str
    documents: int
    rejected: int
    entities: int
    annotate_wall_s: float
    tokens_per_s: float
    labels: dict[str, int]  # entities by label


@dataclass(frozen=True, slots=True)
class Performance:
    """Every figure that the report shows."""

    headline: Headline
    long_documents: LongDocuments
    advice: tuple[Advice, ...]
    phases: tuple[PhaseFigure, ...]
    rules: tuple[RuleFigure, ...]
    lost: Lost
    balance: Balance
    spread: tuple[Spread, ...]
    devices: tuple[DeviceFigure, ...]
    engines: tuple[EngineFigure, ...]
    hardware: Hardware
    labels: tuple[LabelFigure, ...]
    frequent_entities: tuple[FrequentEntity, ...]
    entities_a_document: tuple[EntityBin, ...]  # the first bin is that of documents without any
    files: tuple[FileFigure, ...]  # the input files with most documents
    values: tuple[ValueFigure, ...]  # by column, those with most documents first
    rejected: tuple[RejectedFigure, ...]
    scores: tuple[ScoreFigure, ...]
    precision_by_score: tuple[ScoreBand, ...]  # from low scores to high ones
    model: PipelineDescription
    whole_pipeline: PipelineCheck
    forecast: Forecast | None  # null where nothing was annotated
    sessions: tuple[Session, ...]
    pauses: tuple[Pause, ...]
    shards: tuple[ShardFigure, ...]
    timeline: tuple[TimelineRow, ...]
    last_run: LastRun | None = None  # null where there was none, or its figures are gone
    format_version: int = FORMAT_VERSION
