"""The figures of an estimate: what a sample showed, and what follows for the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleFigures:
    """What the sample showed. Rates are those of one worker while it annotates."""

    files: int
    bytes: int
    chars: int  # of the corpus: its bytes, times the characters per byte of the sample
    documents: int
    sampled_chars: int
    annotated_chars: int
    annotated_tokens: int
    split_chars_per_s: float
    workers: int  # that annotated at once
    chars_per_s: float
    tokens_per_s: float
    start_up_s: float  # of a job, before and after its workers annotate
    entities_per_char: float
    shard_bytes_per_char: float
    result_bytes_per_char: float
    device: str
    engine: str
    engine_reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to take."""

    documents: int
    chars: int
    tokens: int
    entities: int
    parts: int
    shards: int
    jobs_at_once: int
    workers_a_job: int
    tokens_per_s: float  # of all jobs together, without their start-up
    start_up_s: float  # of each job
    split_s: float
    annotate_s: float
    merge_s: float
    total_s: float
    results_bytes: int
    work_bytes: int
    measured: SampleFigures
