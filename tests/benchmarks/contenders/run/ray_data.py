"""Ray Data: blocks of documents through a pool of actors that hold the pipeline, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from common import COLUMNS, load, parse_arguments, rows_of

SCHEMA = pa.schema(
    [("doc", pa.uint64()), ("start", pa.uint32()), ("end", pa.uint32()), ("text", pa.string()), ("label", pa.string())]
)


class Annotate:
    """An actor: the pipeline, loaded once."""

    def __init__(self, model: Path) -> None:
        self.nlp = load(model)

    def __call__(self, batch: dict[str, Any]) -> pa.Table:
        texts = batch["text"].tolist()
        rows = rows_of(self.nlp.pipe(texts, batch_size=len(texts)))
        numbers = [int(number) for number in batch["id"]]
        columns = list(zip(*((numbers[row[0]], *row[1:]) for row in rows), strict=True)) or [[]] * len(COLUMNS)
        return pa.table(dict(zip(COLUMNS, columns, strict=True)), schema=SCHEMA)


def main() -> None:
    """Annotate a corpus."""
    options = parse_arguments()
    # A core more than there are, in Ray's books: the actors hold all of theirs, and reading needs one now and then.
    ray.init(
        num_cpus=options.cores + 1,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=str(Path("ray").resolve()),
    )
    with options.corpus.open("rb") as lines:
        documents = sum(1 for _ in lines)
    # a file is one block unless told otherwise; some for each core, none smaller than a batch
    rows_per_block = max(documents // (8 * options.cores), options.batch)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    found = (
        ray.data.read_json(str(options.corpus), lines=True)
        .repartition(target_num_rows_per_block=rows_per_block)
        .map_batches(
            Annotate,
            fn_constructor_args=(options.model,),
            batch_size=options.batch,
            compute=ray.data.ActorPoolStrategy(size=options.cores),
            num_cpus=1,
        )
    )
    with pq.ParquetWriter(options.table, SCHEMA) as writer:
        for batch in found.iter_batches(batch_size=None, batch_format="pyarrow"):
            if batch.num_rows:
                writer.write_table(batch.select(COLUMNS).cast(SCHEMA))
    ray.shutdown()


if __name__ == "__main__":
    main()
