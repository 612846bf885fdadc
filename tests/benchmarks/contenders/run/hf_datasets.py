"""Hugging Face datasets: a batched map over processes, from JSON lines to Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import COLUMNS, load, parse_arguments, rows_of
from datasets import Features, Value, load_dataset

FEATURES = Features(dict(zip(COLUMNS, map(Value, ("uint64", "uint32", "uint32", "string", "string")), strict=True)))
nlp: Any = None


def annotate(batch: dict[str, list[str]], model: str) -> dict[str, list[Any]]:
    """Return the entities of a batch: any number of rows; the pipeline is loaded once a process."""
    global nlp
    if nlp is None:
        nlp = load(Path(model))
    rows = rows_of(nlp.pipe(batch["text"], batch_size=len(batch["text"])))
    found = [(int(batch["id"][row[0]]), *row[1:]) for row in rows]
    return {name: [row[place] for row in found] for place, name in enumerate(COLUMNS)}


if __name__ == "__main__":
    options = parse_arguments()
    texts = load_dataset("json", data_files=str(options.corpus), split="train")
    table = texts.map(
        annotate,
        fn_kwargs={"model": str(options.model)},
        batched=True,
        batch_size=options.batch,
        num_proc=options.cores,
        remove_columns=texts.column_names,
        features=FEATURES,
    )
    table.to_parquet(str(options.table))
