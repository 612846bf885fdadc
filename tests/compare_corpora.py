"""Run the workflow on corpora of your own in every input format, and compare with one plain `nlp.pipe` loop.

    python tests/compare_corpora.py --model PIPELINE FILE.jsonl.gz …

Each FILE holds JSON lines with ``id`` and ``text``. It is written again in every format that can carry it, annotated
from each by a run of its own (one for each length of windows), and compared entity by entity with what a single process
finds. Not part of the suite: the corpora are yours.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from making import annotate_plainly, compressors, entity_rows, run_workflow

Rows = list[tuple[str, str]]


def read_rows(path: Path) -> Rows:
    """Return (id, text) of each line."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    with opened as lines:
        return [(record["id"], record["text"]) for record in map(json.loads, lines)]


def as_jsonl(rows: Rows, path: Path) -> None:
    """Write JSON lines."""
    lines = (json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in rows)
    path.write_bytes("".join(lines).encode())


def as_delimited(rows: Rows, path: Path) -> None:
    """Write CSV or TSV, by the file's suffix."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([("id", "text"), *rows])


def as_parquet(rows: Rows, path: Path) -> None:
    """Write Parquet."""
    pl.DataFrame(rows, schema=["id", "text"], orient="row").write_parquet(path)


def as_arrow(rows: Rows, path: Path) -> None:
    """Write a file of Arrow."""
    pl.DataFrame(rows, schema=["id", "text"], orient="row").write_ipc(path)


def as_array(rows: Rows, path: Path) -> None:
    """Write one array of objects."""
    path.write_text(json.dumps([{"id": name, "text": text} for name, text in rows]), "utf-8")


def as_lines(rows: Rows, path: Path) -> None:
    """Write a document a line; the caller sees to it that none holds a line break."""
    path.write_bytes("".join(text + "\n" for _, text in rows).encode())


def compressed(write: Callable[[Rows, Path], None]) -> Callable[[Rows, Path], None]:
    """Write through a compression, by the file's last suffix."""

    def write_compressed(rows: Rows, path: Path) -> None:
        plain = path.with_suffix("")
        write(rows, plain)
        path.write_bytes(compressors()[path.suffix](plain.read_bytes()))
        plain.unlink()

    return write_compressed


FORMATS: dict[str, Callable[[Rows, Path], None]] = {
    "jsonl": as_jsonl,
    "jsonl.gz": compressed(as_jsonl),
    "ndjson.zst": compressed(as_jsonl),
    "csv": as_delimited,
    "csv.gz": compressed(as_delimited),
    "tsv.zst": compressed(as_delimited),
    "parquet": as_parquet,
    "json": as_array,
    "json.bz2": compressed(as_array),
    "jsonl.xz": compressed(as_jsonl),
    "arrow": as_arrow,
    "txt": as_lines,
    "txt.gz": compressed(as_lines),
}


def compare(path: Path, model: Path, formats: Sequence[str], sizes: Sequence[int], directory: Path) -> bool:
    """Annotate one corpus from each format, in windows of each size; print and return whether all agree."""
    rows = read_rows(path)
    expected = annotate_plainly(model, [text for _, text in rows])
    print(f"{path.name}: {len(rows):,} documents, {len(expected):,} entities", flush=True)
    agree = True
    for name in formats:
        if name.startswith("txt") and any("\n" in text or text.endswith("\r") for _, text in rows):
            print(f"  {name:<12} left out: documents hold line breaks")
            continue
        where = directory / name
        where.mkdir(parents=True)
        FORMATS[name](rows, where / f"corpus.{name}")
        for size in sizes:
            settings = {
                "corpus": {
                    "files": [f"corpus.{name}"],
                    "id": None if name.startswith("txt") else "id",
                    "quoting": "standard",  # as the csv module writes, TSV too
                },
                "model": {"name": str(model.resolve())},
                "shards": {"count": 4},
                "windows": {"max_chars": size},
            }
            run = run_workflow(where, settings, timeout=None)
            if run.returncode:
                print(run.stderr)
            same = run.returncode == 0 and entity_rows(where / "results/entities.parquet") == expected
            agree &= same
            print(f"  {name:<12} windows of {size:>9,}: {'identical' if same else 'DIFFERENT'}", flush=True)
    return agree


def main() -> None:
    """Compare every corpus given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--model", type=Path, required=True, metavar="PIPELINE", help="the directory of a pipeline")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--max-chars", nargs="+", type=int, default=[500_000], help="lengths of windows")
    options = parser.parse_args()
    agree = True
    for corpus in options.corpora:
        with tempfile.TemporaryDirectory() as directory:
            agree &= compare(corpus, options.model, options.formats, options.max_chars, Path(directory))
    sys.exit(0 if agree else "some entities differ")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1] / "workflow" / "scripts"))
    main()
