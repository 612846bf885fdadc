"""A pool over batches of whole documents, in order: the best that twenty lines can do."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

from common import Row, batches, load, parse_arguments, read_texts, rows_of, write_table

nlp: Any = None


def start(model: Path) -> None:
    """Load the pipeline in a worker."""
    global nlp
    nlp = load(model)


def annotate(task: tuple[int, list[str]]) -> list[Row]:
    """Return the entities of one batch."""
    first, texts = task
    return rows_of(nlp.pipe(texts, batch_size=len(texts)), first)


if __name__ == "__main__":
    options = parse_arguments()
    tasks = batches(read_texts(options.corpus), options.batch)
    with multiprocessing.Pool(options.cores, start, (options.model,)) as pool:
        found = [row for rows in pool.imap(annotate, tasks) for row in rows]
    write_table(options.table, found)
