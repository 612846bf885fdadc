"""PyTorch's DataLoader: a batch of documents is an item, which a worker annotates; items come in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import Row, batches, load, parse_arguments, read_texts, rows_of, write_table
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Annotated(Dataset[list[Row]]):
    """Batches of texts, annotated as they are asked for."""

    def __init__(self, texts: list[str], size: int, model: Path) -> None:
        self.tasks = list(batches(texts, size))
        self.model = model
        self.nlp: Any = None

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, number: int) -> list[Row]:
        first, texts = self.tasks[number]
        return rows_of(self.nlp.pipe(texts, batch_size=len(texts)), first)


def start(worker: int) -> None:
    """Load the pipeline in a worker."""
    info = get_worker_info()
    assert info is not None
    info.dataset.nlp = load(info.dataset.model)


if __name__ == "__main__":
    options = parse_arguments()
    annotated = Annotated(read_texts(options.corpus), options.batch, options.model)
    loader = DataLoader(annotated, batch_size=None, num_workers=options.cores, worker_init_fn=start)
    write_table(options.table, [row for rows in loader for row in rows])
