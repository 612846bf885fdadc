"""Cut corpora of your own into parts, in every input format, and compare the tables with those of one part.

    python tests/compare_parts.py --model PIPELINE FILE.jsonl.gz …

Each FILE holds JSON lines with ``id`` and ``text``. It is written again in every format that can carry it. Split,
annotation, numbering and merge run in this process, without Snakemake. Where parts are small, only the first records of
a corpus are taken. Not part of the suite: the corpora are yours.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from compare_corpora import FORMATS, Rows, read_rows

#: Characters that a shard has about; a part has twice as many.
SIZES = (1_000, 30_000, 1_000_000)
#: Numbers of shards.
COUNTS = (1, 2, 7, 50)
#: So many shards are made at most; of a larger corpus only the first records are taken.
MOST_SHARDS = 250


def take(rows: Rows, chars: int) -> Rows:
    """Return the first records of a corpus, one at least, with about so many characters together."""
    ends = accumulate(len(text) for _, text in rows)
    return rows[: 1 + sum(end < chars for end in ends)]


def read_tables(run: Run) -> list[pl.DataFrame]:
    """Return the tables of a run without the numbers of shards."""
    files = (run.results.entities, run.results.documents, run.results.rejected)
    return [pl.read_parquet(path).drop("shard", strict=False) for path in files]


def compare(rows: Rows, name: str, pipeline: Pipeline, cuts: Sequence[int | PlanSizes], directory: Path) -> bool:
    """Annotate records from one format in each cut; print and return whether all tables are those of one part."""
    directory.mkdir(parents=True)
    path = directory / f"corpus.{name}"
    FORMATS[name](rows, path)
    corpus = {"id": None if name.startswith("txt") else "id", "quoting": "standard"}
    one, agree = None, True
    for number, cut in enumerate([PlanSizes(10**10, 10**11), *cuts]):
        where = directory / str(number)
        where.mkdir()
        done = run(where, path, pipeline, cut, corpus=corpus)
        tables = read_tables(done)
        one = one or tables
        same = all(left.equals(right) for left, right in zip(one, tables, strict=True))
        agree &= same
        shape = f"{len(done.manifest.parts)} parts, {len(done.manifest.shards)} shards"
        counts = f"{tables[1].height:,} documents, {tables[0].height:,} entities, {tables[2].height:,} rejected"
        print(f"  {name:<12} {shape:<24} {counts:<60} {'identical' if same else 'DIFFERENT'}", flush=True)
    return agree


def main() -> None:
    """Compare every corpus given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--model", type=Path, required=True, metavar="PIPELINE", help="the directory of a pipeline")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--most-chars", type=int, default=10**9, help="of a corpus")
    options = parser.parse_args()
    agree = True
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        source = classify(str(options.model.resolve()))
        pipeline = prepare_pipeline(source, None, directory / "unpacked", "auto")
        for corpus in options.corpora:
            whole = take(read_rows(corpus), options.most_chars)
            for size in (0, *SIZES):
                rows = take(whole, size * MOST_SHARDS) if size else whole
                cuts: Sequence[int | PlanSizes] = [PlanSizes(size, 2 * size)] if size else COUNTS
                print(f"{corpus.name}, {f'shards of {size:,} characters' if size else 'numbers of shards'}", flush=True)
                for form in options.formats:
                    lines = any("\n" in text or text.endswith("\r") for _, text in rows)
                    if not (form.startswith("txt") and lines):
                        agree &= compare(rows, form, pipeline, cuts, directory / f"{corpus.name}-{size}-{form}")
    sys.exit(0 if agree else "some tables differ")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1] / "workflow" / "scripts"))
    import polars as pl
    from in_process import Run, run
    from shardner.model.pipeline import Pipeline, prepare_pipeline
    from shardner.parse.pipeline_source import classify
    from shardner.parse.shard_plan import PlanSizes

    main()
