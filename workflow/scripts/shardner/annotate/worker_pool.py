"""The worker processes of an annotate job: how they are started, fed with blocks, and ended."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from shardner.annotate.block_annotator import Result, Task
from shardner.annotate.blocks import Block
from shardner.annotate.worker import annotate_block, begin_work
from shardner.errors import AnnotateError

#: Yields the results of a task's blocks in order, given also the environment variables that workers need besides
#: and their number: `annotate_in_processes`, or what a test gives instead.
AnnotateBlocks = Callable[[Task, Sequence[Block], int, Mapping[str, str]], Iterator[Result]]

#: So many blocks lie ready for each worker, so that no worker waits for the job's process.
BLOCKS_AHEAD = 2
#: Each numerical library gets one thread: the workers are the parallelism.
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS", "POLARS_MAX_THREADS",
    )
}  # fmt: skip


def annotate_in_processes(
    task: Task, blocks: Sequence[Block], workers: int, environment: Mapping[str, str]
) -> Iterator[Result]:
    """Yield the results of blocks in order, while the workers go on with later blocks.

    Args:
        task: what all blocks share.
        blocks: in order.
        workers: how many processes at most.
        environment: variables to set for the workers.

    Raises:
        ModelError: the pipeline cannot be loaded.
        AnnotateError: a worker died, the audit found a difference, or an attribute asked for does not exist or cannot
            be written.
    """
    if not blocks:
        return
    workers = min(workers, len(blocks))
    with _environment({**ONE_THREAD, **environment}):
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_work, initargs=(task,))
        try:
            yield from _feed(pool, blocks, ahead=workers * (1 + BLOCKS_AHEAD))
        except BrokenProcessPool as error:
            raise AnnotateError(
                f"shard {task.part}/{task.shard:05d}: a worker died before it finished, killed perhaps because memory "
                f"ran out; with fewer workers or smaller batches it needs less:  "
                f" ner: {{threads: 1, batch_tokens: 2000}}"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _feed(pool: ProcessPoolExecutor, blocks: Sequence[Block], ahead: int) -> Iterator[Result]:
    """Yield results in order; at most `ahead` blocks have been given to the pool and not been yielded."""
    waiting: deque[Future[Result]] = deque()
    todo = iter(blocks)
    while True:
        while len(waiting) < ahead and (block := next(todo, None)) is not None:
            waiting.append(pool.submit(annotate_block, block))
        if not waiting:
            return
        yield waiting.popleft().result()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, for processes that are started in the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
