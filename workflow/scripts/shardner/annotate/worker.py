"""A worker process of an annotate job.

A worker reads its blocks from the shard and gives back tables. So texts never pass through the job's own process.
"""

from __future__ import annotations

import gc
import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from shardner.annotate.block_annotator import BlockAnnotator, Result, Task
from shardner.annotate.blocks import Block
from shardner.config import EngineChoice
from shardner.engine.loading import load_engine
from shardner.engine.selection import Selected
from shardner.gpu.memory import Share
from shardner.model.pipeline import Pipeline

if TYPE_CHECKING:
    from spacy.language import Language

#: Python looks for cycles of objects after so many objects were made and not freed. Documents hold no cycles and come
#: in hundreds. With Python's own number, 700, the search takes 4 % of the time for short texts.
COLLECTED_AT = 10_000

#: What annotates in this process; None before `begin_work`.
_annotator: BlockAnnotator | None = None


def begin_work(task: Task) -> None:
    """Make this process a worker for `task`; it ends when the job's process does."""
    global _annotator
    end_with_parent()
    _annotator = BlockAnnotator(task, _load)


def annotate_block(block: Block) -> Result:
    """Annotate a block in this worker process.

    Raises:
        ModelError: the pipeline cannot be loaded.
        AnnotateError: the audit found a difference.
    """
    assert _annotator is not None
    return _annotator.annotate(block)


def _load(
    pipeline: Pipeline, choice: EngineChoice, batch_tokens: int | None, share: Share | None
) -> tuple[Language, Selected]:
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()  # the pipeline that was loaded before
    loaded = load_engine(pipeline, choice, batch_tokens, share)
    spare_collection()
    return loaded


def spare_collection() -> None:
    """Make garbage collection rare, and let it skip the objects that are there now and stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AT, 10, 10)


def end_with_parent() -> None:
    """End this process when the job's process ends: a job that was killed must leave no worker on its device.

    A worker that waits for a block does not notice that its parent died, because it holds both ends of the pipe. So
    this is called before a worker waits for its first block.
    """
    parent = parent_process()
    if parent is None:
        return

    def watch_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch_parent, name="end-with-parent", daemon=True).start()
