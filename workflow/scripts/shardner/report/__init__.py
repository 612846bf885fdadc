"""The report of a run: figures (``performance.json``), a page (``report.html``) and a summary for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shardner.data.files import write_text_atomically
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.report.examples import choose_examples
from shardner.report.figures import Performance
from shardner.report.measure import measure
from shardner.report.page import render
from shardner.report.performance_file import load_performance, write_performance
from shardner.report.summary import print_summary

__all__ = ["Performance", "load_performance", "measure", "print_summary", "write_report"]


def write_report(
    *,
    jobs: Sequence[Job],
    manifest: Manifest,
    model: Mapping[str, Any],
    provenance: Mapping[str, Any],
    results: Path,
    shard_paths: Sequence[Path],
    scores: Any = None,
    html: Path,
    performance_json: Path,
) -> Performance:
    """Measure a run and write its figures and its page, both atomically.

    Args:
        jobs: the records of all jobs, in any order.
        manifest: what the split found.
        model: name, version, sha256, labels, components kept and left out, notes; shown as it is.
        provenance: nested JSON, shown as it is. Advice reads ``cores`` and ``memory_bytes`` of hosts, and
            ``memory_bytes`` of devices (mappings with a ``uuid``) from its ``hosts``, ``devices`` and the like.
        results: the directory of entities.parquet, documents.parquet and rejected.parquet.
        shard_paths: the shards' tables of windows, in the manifest's order; the texts of examples come from them, and
            where they are gone the page does without.
        scores: against gold: ``overall`` and ``by_label``, each with ``precision``, ``recall``, ``f``; or None.
        html: where the page goes.
        performance_json: where the figures go.
    """
    performance = measure(
        jobs=jobs, manifest=manifest, model=model, provenance=provenance, results=results, scores=scores
    )
    examples = choose_examples(results, manifest, shard_paths)
    write_performance(performance_json, performance)
    write_text_atomically(html, render(performance, examples, provenance))
    return performance
