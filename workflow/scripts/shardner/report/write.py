"""Writes the report of a run: its figures and its page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shardner.config import CorpusConfig
from shardner.data.files import write_text_atomically
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.data.pipeline_check import PipelineCheck
from shardner.data.provenance import Provenance
from shardner.data.tables import find_table
from shardner.demo.score import Scores
from shardner.report.examples import choose_examples
from shardner.report.figures import Performance
from shardner.report.measure import DEFAULT_CORPUS, measure
from shardner.report.mentions import draw_mentions
from shardner.report.page import TABLES, render_page
from shardner.report.performance_file import write_performance
from shardner.stages.document_rows import CorpusTexts


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
    last: Path | None = None,
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
        last: the figures of the run before this one.
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
        last=last,
    )
    examples = choose_examples(results, texts)
    mentions = draw_mentions(results, texts, performance.labels)
    write_performance(performance_json, performance)
    write_text_atomically(html, render_page(performance, examples, mentions, provenance, _name_tables(results)))
    return performance


def _name_tables(results: Path) -> dict[str, str]:
    """Return how a query names the tables of results: a file, or a directory of files."""
    names = {name: find_table(results, name) for name in TABLES}
    return {name: f"'{path.name}/*.parquet'" if path.is_dir() else TABLES[name] for name, path in names.items()}
