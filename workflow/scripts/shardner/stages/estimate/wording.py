"""What an estimate says to the user."""

from __future__ import annotations

from shardner.stages.estimate.figures import Estimate
from shardner.terminal.numbers import compact, count, duration, plural, size
from shardner.terminal.visible_text import one_line


def describe_estimate(estimate: Estimate) -> str:
    """Return an estimate as a few aligned lines."""
    measured = estimate.measured
    rows = [
        ("corpus", f"{compact(estimate.documents)} documents, {compact(estimate.chars)} characters in "
                   f"{plural(measured.files, 'file')} of {size(measured.bytes)}"),
        ("time", f"{duration(estimate.total_s)}: split {duration(estimate.split_s)}, annotate "
                 f"{duration(estimate.annotate_s)}, merge {duration(estimate.merge_s)}"),
        ("annotate", f"{plural(estimate.shards, 'shard')} in {plural(estimate.parts, 'part')}, "
                     f"{count(estimate.jobs_at_once)} at once with "
                     f"{plural(estimate.workers_a_job, 'worker')} each: {compact(estimate.tokens_per_s)} tokens/s, and "
                     f"{duration(estimate.start_up_s)} for a job to start and end"),
        ("engine", one_line(f"{measured.engine} on {measured.device}", 200)),
        ("disk", f"{size(estimate.results_bytes)} of results with {compact(estimate.entities)} entities, and "
                 f"{size(estimate.work_bytes)} in .work"),
        ("assumed", f"the rest is as the {compact(measured.sampled_chars)} characters sampled, of which "
                    f"{compact(measured.annotated_chars)} were annotated by {plural(measured.workers, 'worker')};"),
        ("", "as many jobs as may run at once do run, on machines like this one, and nothing else runs there"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(["A run takes about:", *(f"  {name:>{width}}  {text}" for name, text in rows)])
