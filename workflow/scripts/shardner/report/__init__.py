"""The report of a run: figures (``performance.json``), a page (``report.html``) and a summary for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shardner.config import CorpusConfig
from shardner.data.files import write_text_atomically
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.data.pipeline_check import PipelineCheck
from shardner.data.provenance import Provenance
from shardner.demo.score import Scores
from shardner.report.examples import choose_examples
from shardner.report.figures import Performance
from shardner.report.measure import DEFAULT_CORPUS, measure
from shardner.report.page import render_page
from shardner.report.performance_file import load_performance, write_performance
from shardner.report.summary import print_summary
from shardner.stages.document_rows import CorpusTexts

__all__ = ["Performance", "load_performance", "measure", "print_summary", "write_report"]


def write_report(
    *,
    jobs: Sequence[Job],
    manifest: Manifest,
    provenance: Provenance,
    check: PipelineCheck,
    results: Path,
    texts: CorpusTexts,
    scores: Scores | None = None,
    corpus: CorpusConfig = DEFAULT_CORPUS,
    html: Path,
    performance_json: Path,
) -> Performance:
    """Measure a run and write its figures and its page, each atomically.

    Args:
        jobs: the records of all jobs, in any order.
        manifest: what the split found.
        provenance: how the results were made.
        check: the results beside those of the whole pipeline.
        results: the directory of entities.parquet, documents.parquet and rejected.parquet.
        texts: where the texts of examples come from; where they are gone, the page shows no example.
        scores: of the entities against gold, if there is gold.
        corpus: how the input files are read.
        html: where the page goes.
        performance_json: where the figures go.
    """
    performance = measure(
        jobs=jobs,
        manifest=manifest,
        model=provenance.model,
        check=check,
        results=results,
        scores=scores,
        corpus=corpus,
    )
    examples = choose_examples(results, texts)
    write_performance(performance_json, performance)
    write_text_atomically(html, render_page(performance, examples, provenance))
    return performance
