"""One very long document: how near its time is to that of the same text as many documents, and what memory it takes.

    python tests/benchmarks/bench_long_document.py [--model PIPELINE] [--corpus FILE.jsonl.gz] [--chars N] [--shards N]
        [--tiny] [--one-only] [--record] [--directory DIR]

The corpus' documents, taken again and again and told apart by a number, become one text file (``unit: file``; with
--record a single JSON line) and, for comparison, a JSON line each. Both are annotated by runs of the workflow, in turn.
--tiny takes a pipeline of almost no width instead, so that a document of a gigabyte is done in minutes: memory does not
depend on the width.

Prints, from the jobs' own records, seconds, idle share, and the peak memory of the largest process by rule.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "workflow" / "scripts")]

from making import make_pipeline, run_workflow


def read_texts(path: Path) -> list[str]:
    """Return the texts of JSON lines, without those that cannot be read."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    texts = []
    with opened as lines:
        for line in lines:
            try:
                texts.append(json.loads(line)["text"])
            except (ValueError, KeyError, TypeError):
                continue
    return [text for text in texts if isinstance(text, str) and text]


def paragraphs(texts: list[str], chars: int) -> Iterator[str]:
    """Yield texts, no two the same, of `chars` characters in all."""
    for number, text in enumerate(itertools.cycle(texts)):
        if chars <= 0:
            return
        text = f"{text} [{number}]"
        yield text
        chars -= len(text) + 1


def run(directory: Path, corpus: dict[str, Any], model: Path, shards: int) -> dict[str, Any]:
    """Run the workflow anew and return its figures."""
    settings = {"corpus": corpus, "model": {"name": str(model.resolve())}, "shards": {"count": shards}}
    done = run_workflow(directory, settings, "--forceall", timeout=None)
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, Any] = json.loads((directory / "results" / "performance.json").read_text())
    return figures


def show(title: str, figures: dict[str, Any]) -> None:
    """Print a run's figures."""
    headline, lost, long = figures["headline"], figures["lost"], figures["long_documents"]
    print(
        f"{title}: {headline['documents']:,} documents, {long['windows']:,} windows of long ones "
        f"({long['unsure_joins']} places not sure), {headline['tokens']:,} tokens, {headline['entities']:,} entities; "
        f"annotating {headline['annotate_wall_s']:.1f} s of {headline['wall_s']:.1f} s, "
        f"idle slots {lost['slot_idle_share']:.1%}"
    )
    for rule in figures["rules"]:
        print(f"    {rule['rule']:<16} {rule['total_s']:>8.1f} s   peak {rule['peak_rss_bytes'] / 2**20:>6.0f} MiB")


def main() -> None:
    """Write, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("resources/demo/pipeline"))
    parser.add_argument("--corpus", type=Path, default=Path("resources/demo/corpus.jsonl"))
    parser.add_argument("--chars", type=int, default=100_000_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--one-only", action="store_true")
    parser.add_argument("--record", action="store_true", help="the document is a JSON line instead of a text file")
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp())
    texts = read_texts(options.corpus)
    model = make_pipeline(directory / "tiny") if options.tiny else options.model
    kinds = ["one"] if options.one_only else ["one", "many"]
    corpora = {kind: write_corpus(directory / kind, kind, texts, options.chars, options.record) for kind in kinds}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(options.repeats):
        for kind, corpus in corpora.items():
            figures = run(directory / kind, corpus, model, options.shards)
            show(kind, figures)
            seconds[kind].append(figures["headline"]["wall_s"])
    if len(kinds) == 2:
        ratios = [one / many for one, many in zip(seconds["one"], seconds["many"], strict=True)]
        print(f"one document takes {statistics.median(ratios):.3f} times the time of many")


def write_corpus(directory: Path, kind: str, texts: list[str], chars: int, record: bool) -> dict[str, Any]:
    """Write the text as one document or as many, and return the settings that name it."""
    directory.mkdir(parents=True, exist_ok=True)
    if kind == "one" and not record:
        with (directory / "text.txt").open("w", encoding="utf-8") as file:
            file.writelines(text + "\n" for text in paragraphs(texts, chars))
        return {"files": ["text.txt"], "unit": "file", "id": None}
    with (directory / "text.jsonl").open("w", encoding="utf-8") as file:
        if kind == "one":
            file.write(json.dumps({"text": "\n".join(paragraphs(texts, chars))}, ensure_ascii=False) + "\n")
        else:
            file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in paragraphs(texts, chars))
    return {"files": ["text.jsonl"], "id": None}


if __name__ == "__main__":
    main()
