"""A pool over equal pieces of the text, as tutorials show it: fast to write, and wrong.

The corpus is one string, cut every so many characters, and results come in whatever order they are ready. To make a
table that can be compared at all, an entity is given to the document in which it starts. `borders` beside the table
holds the cuts, by which the comparison tells their damage.
"""

from __future__ import annotations

import bisect
import itertools
import multiprocessing
from pathlib import Path
from typing import Any

from common import Row, load, parse_arguments, read_texts, write_table

CHUNK_CHARS = 100_000
nlp: Any = None


def start(model: Path) -> None:
    """Load the pipeline in a worker."""
    global nlp
    nlp = load(model)


def annotate(task: tuple[int, str]) -> list[tuple[int, int, str, str]]:
    """Return the entities of one piece, with offsets into the whole."""
    offset, chunk = task
    return [(offset + e.start_char, offset + e.end_char, e.text, e.label_) for e in nlp(chunk).ents]


def main() -> None:
    """Annotate a corpus."""
    options = parse_arguments()
    texts = read_texts(options.corpus)
    whole = "\n".join(texts)
    begins = list(itertools.accumulate((len(text) + 1 for text in texts), initial=0))
    size = min(CHUNK_CHARS, -(-len(whole) // (8 * options.cores)))
    cuts = range(0, len(whole), size)
    with multiprocessing.Pool(options.cores, start, (options.model,)) as pool:
        tasks = ((cut, whole[cut : cut + size]) for cut in cuts)
        found = [row for rows in pool.imap_unordered(annotate, tasks) for row in rows]
    rows: list[Row] = []
    for begin, end, text, label in found:
        doc = bisect.bisect_right(begins, begin) - 1
        rows.append((doc, begin - begins[doc], end - begins[doc], text, label))
    write_table(options.table, rows)
    places = ((cut, bisect.bisect_right(begins, cut) - 1) for cut in cuts[1:])
    lines = "".join(f"{doc} {cut - begins[doc]}\n" for cut, doc in places)
    options.table.with_name("borders").write_text(lines)


if __name__ == "__main__":
    main()
