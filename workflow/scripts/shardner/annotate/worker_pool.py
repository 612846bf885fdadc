"""The worker processes of an annotate job: how they are started, fed with blocks, and ended."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from typing import NamedTuple

from shardner.annotate.alone import Alone
from shardner.annotate.block_annotator import Result, Task
from shardner.annotate.blocks import Block
from shardner.annotate.pace import Pace
from shardner.annotate.worker import annotate_block, begin_work
from shardner.data.tables import scan_table
from shardner.errors import AnnotateError

log = logging.getLogger(__name__)

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


class Stuck(Exception):
    """No worker has given a result for too long. It never leaves this module."""


def annotate_in_processes(
    task: Task, blocks: Sequence[Block], workers: int, environment: Mapping[str, str]
) -> Iterator[Result]:
    """Yield the results of blocks in order, while the workers go on with later blocks.

    Where a worker dies, hangs, or runs out of memory, the blocks that were being annotated are annotated alone (see
    `alone`), and new workers go on with the rest. A document that ends its worker alone, too, is rejected.

    Args:
        task: what all blocks share.
        blocks: in order.
        workers: how many processes at most.
        environment: variables to set for the workers.

    Raises:
        ModelError: the pipeline cannot be loaded.
        AnnotateError: a document ended its worker and may not be rejected, or too many did; the audit found a
            difference, or an attribute asked for does not exist or cannot be written.
    """
    rest, pace = deque(blocks), Pace(task.timeout_s)
    alone = Alone(task, pace.limit_alone_s, partial(_refuse, task))
    with _environment({**ONE_THREAD, **environment}):
        while rest:
            given: deque[_Given] = deque()
            workers = min(workers, len(rest))
            try:
                with _pool(task, workers) as pool:
                    for result in _feed(pool, rest, given, workers * (1 + BLOCKS_AHEAD), pace.limit_s):
                        pace.add(result.record.totals.seconds)
                        yield result
            except (BrokenProcessPool, MemoryError, Stuck) as error:
                log.warning("a worker died, hung or ran out of memory: %s: %s", type(error).__name__, error)
                rejected = alone.rejected
                try:
                    yield from _annotate_alone(alone, given)
                finally:
                    alone.close()
                if alone.rejected == rejected:  # so it was memory, which fewer workers share
                    workers = max(workers // 2, 1)


class _Given(NamedTuple):
    """A block that has been given to the pool, and not been yielded."""

    block: Block
    future: Future[Result]


def _feed(
    pool: ProcessPoolExecutor, rest: deque[Block], given: deque[_Given], ahead: int, limit_s: Callable[[], float]
) -> Iterator[Result]:
    """Yield results in order. Blocks go from `rest` to `given`, where there are at most `ahead`, until yielded."""
    while rest or given:
        while len(given) < ahead and rest:
            given.append(_Given(rest[0], pool.submit(annotate_block, rest[0])))
            rest.popleft()
        first = given[0].future
        while not first.done():
            running = [each.future for each in given if not each.future.done()]
            if not wait(running, timeout=limit_s(), return_when=FIRST_COMPLETED).done:
                raise Stuck(f"no result for {limit_s():.0f} s")
        result = first.result()
        given.popleft()
        yield result


def _annotate_alone(alone: Alone, given: deque[_Given]) -> Iterator[Result]:
    """Yield the results of blocks whose pool has ended: those that were done, and the others', annotated alone."""
    while given:
        block, future = given.popleft()
        if future.done() and not future.cancelled() and future.exception() is None:
            yield future.result()
        else:
            yield from alone.annotate(block)


def _refuse(task: Task, block: Block, reason: str) -> None:
    """Raise `AnnotateError` where a bad document ends the run."""
    if task.rejects:
        return
    row = scan_table(task.windows).slice(block.first, 1).select("id", "file", "row").collect().row(0)
    raise AnnotateError(
        f"the document {row[0]!r} ({row[1]}, row {row[2]}) cannot be annotated: {reason}, twice and alone; mend it or "
        f"the pipeline, or let bad records be listed in rejected.parquet:   corpus: {{on_bad_record: reject}}"
    )


@contextmanager
def _pool(task: Task, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield workers, and end them; those that hang are killed."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_work, initargs=(task,))
    try:
        yield pool
    except BaseException:
        for process in active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
