"""What a run takes, predicted from a sample. The start-up of jobs is counted by itself: shards differ in size."""

from __future__ import annotations

from shardner.stages.estimate.figures import Estimate, SampleFigures

#: Seconds for Snakemake to start and for the report to be written.
AROUND_S = 12.0
#: So many entities are merged in a second.
MERGED_ENTITIES_PER_S = 1_500_000


def predict(
    measured: SampleFigures,
    *,
    parts: int,
    shards: int,
    splits_at_once: int | None,
    jobs_at_once: int | None,
    workers: int | None,
) -> Estimate:
    """Predict what a run takes.

    Args:
        measured: what the sample showed.
        parts: of the corpus, which are split side by side.
        shards: of the run.
        splits_at_once: how many parts are split at once; None: all of them.
        jobs_at_once: how many annotate jobs run at once; None: all of them.
        workers: of each job; None: as many as the job of the sample had.
    """
    workers_a_job = workers or measured.workers
    jobs = max(min(jobs_at_once or shards, shards), 1)
    entities = measured.chars * measured.entities_per_char
    shard_s = measured.start_up_s + measured.chars / shards / (measured.chars_per_s * workers_a_job)
    # parts, too, are taken to be of one size
    split_s = -(-parts // max(splits_at_once or parts, 1)) * measured.chars / parts / measured.split_chars_per_s
    annotate_s = -(-shards // jobs) * shard_s  # shards are of about one size, so jobs run in rounds
    merge_s = entities / MERGED_ENTITIES_PER_S
    results_bytes = measured.chars * measured.result_bytes_per_char
    return Estimate(
        documents=measured.documents,
        chars=measured.chars,
        tokens=round(measured.chars * measured.tokens_per_s / measured.chars_per_s),
        entities=round(entities),
        parts=parts,
        shards=shards,
        jobs_at_once=jobs,
        workers_a_job=workers_a_job,
        tokens_per_s=measured.tokens_per_s * workers_a_job * jobs,
        start_up_s=measured.start_up_s,
        split_s=split_s,
        annotate_s=annotate_s,
        merge_s=merge_s,
        total_s=split_s + annotate_s + merge_s + AROUND_S,
        results_bytes=round(results_bytes),
        work_bytes=round(results_bytes + measured.chars * measured.shard_bytes_per_char),
        measured=measured,
    )
