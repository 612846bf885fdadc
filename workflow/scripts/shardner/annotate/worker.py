"""A worker process of an annotate job.

A worker reads its blocks from the shard and gives back tables. So texts never pass through the job's own process.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from shardner.annotate.block_annotator import BlockAnnotator, Result, Task
from shardner.annotate.blocks import Block
from shardner.config import EngineChoice
from shardner.engine.failures import lacks_memory
from shardner.engine.loading import load_engine
from shardner.engine.selection import Selected
from shardner.errors import ShardnerError
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
    """Make this process a worker for `task`; it ends when the job's process does, and not by Ctrl-C."""
    global _annotator
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _annotator = BlockAnnotator(task, _load)


def annotate_block(block: Block) -> Result:
    """Annotate a block in this worker process.

    Raises:
        ModelError: the pipeline cannot be loaded.
        AnnotateError: the audit found a difference, or an attribute asked for does not exist or cannot be written.
    """
    assert _annotator is not None
    return _annotator.annotate(block)


def annotate_pieces(task: Task, connection: Connection) -> None:
    """Be a worker that annotates pieces of blocks for `alone`: ``(block, reason)`` comes in, a result goes out.

    It first says that it is ready, by None. With a reason, the windows of the block are rejected. Where memory runs
    out, the answer is a `MemoryError`. A `ShardnerError` is answered, too, and ends it.
    """
    begin_work(task)
    assert _annotator is not None
    try:
        _annotator.prepare()
        connection.send(None)
        while True:
            block, reason = connection.recv()
            try:
                connection.send(_annotator.annotate(block) if reason is None else _annotator.reject(block, reason))
            except Exception as error:
                if not lacks_memory(error):
                    raise
                connection.send(MemoryError(f"{type(error).__name__}: {error}"))
    except ShardnerError as error:
        connection.send(error)
    except EOFError:  # the job needs it no more
        pass


def _load(
    pipeline: Pipeline,
    choice: EngineChoice,
    batch_tokens: int | None,
    share: Share | None,
    *,
    attributes: Sequence[str],
    spans: Sequence[str],
) -> tuple[Language, Selected]:
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()  # the pipeline that was loaded before
    loaded = load_engine(pipeline, choice, batch_tokens, share, attributes=attributes, spans=spans)
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
