"""Which document killed a worker: its block is annotated again in pieces, alone, in a process that may die as well.

A document may crash the interpreter, run for ever, or take all memory. Nobody can tell which of a block it was, for the
process is gone. So the block is cut into pieces, which one process annotates one after the other, with all of the
machine to itself. A piece in which that process ends is cut again, down to one window. A window that ends two processes
is rejected, with what ended them as the reason. Everything else is annotated.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from shardner.annotate.block_annotator import Result, Task
from shardner.annotate.blocks import Block
from shardner.annotate.worker import annotate_pieces
from shardner.errors import AnnotateError, ShardnerError

log = logging.getLogger(__name__)

#: A block is cut into so many pieces, and a piece likewise.
PIECES = 32
#: A window is rejected after it has ended so many processes.
TRIALS = 2
#: With more such windows in a shard, it is not the documents' fault.
MOST_REJECTED = 20
#: A process must have loaded its pipeline after so many seconds.
START_S = 3_600.0


class Died(Exception):
    """The process has ended, or gave no result in time; the message says how. It never leaves this module."""


class Alone:
    """Annotates blocks in one process at a time.

    Args:
        task: what all blocks share.
        limit_s: returns after how many seconds without a result a process hangs.
        refuse: raises where windows may not be rejected; given the block and the reason.

    Attributes:
        rejected: how many windows have been rejected.
    """

    def __init__(self, task: Task, limit_s: Callable[[], float], refuse: Callable[[Block, str], None]) -> None:
        self._task, self._limit_s, self._refuse = task, limit_s, refuse
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self.rejected = 0

    def annotate(self, block: Block) -> Iterator[Result]:
        """Yield the results of the pieces of a block, in order.

        Raises:
            AnnotateError: too many windows killed their process. Other errors as `worker.annotate_block`.
        """
        for piece in _cut(block):
            yield from self._annotate_piece(piece)

    def _annotate_piece(self, piece: Block) -> Iterator[Result]:
        reason = ""
        for _ in range(TRIALS if piece.rows == 1 else 1):
            try:
                result = self._ask(piece)
            except Died as death:
                reason = str(death)
                log.warning("windows %d to %d: %s", piece.first, piece.first + piece.rows - 1, reason)
            else:
                yield result
                return
        if piece.rows > 1:
            yield from self.annotate(piece)
            return
        self._refuse(piece, reason)
        self.rejected += 1
        if self.rejected > MOST_REJECTED:
            raise AnnotateError(
                f"shard {self._task.part}/{self._task.shard:05d}: more than {MOST_REJECTED} documents ended their "
                f"worker (the last one: {reason}); that many are hardly the documents' fault: see the log of the job, "
                f"and try the pipeline on a few documents in Python"
            )
        yield self._ask(piece, reason)

    def _ask(self, block: Block, reason: str | None = None) -> Result:
        """Return the result of a block.

        Raises:
            Died: the process ended, or ran out of memory.
        """
        limit_s = self._limit_s()
        connection = self._connection or self._start()
        try:
            connection.send((block, reason))
            if not connection.poll(limit_s):
                raise Died(self._end() or f"no result after {limit_s:.0f} s")
            answer: Any = connection.recv()
        except (EOFError, OSError):
            raise Died(self._end() or "its worker was stopped") from None
        if isinstance(answer, MemoryError):
            self._end()
            raise Died(f"memory ran out ({answer})")
        if isinstance(answer, ShardnerError):
            raise answer
        assert isinstance(answer, Result)
        return answer

    def _start(self) -> Connection:
        """Start a process; return the connection to it when its pipeline is loaded.

        Raises:
            AnnotateError: the process ended before.
        """
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=annotate_pieces, args=(self._task, theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the connection
        try:
            answer = self._connection.recv() if self._connection.poll(START_S) else "it was not ready in time"
        except (EOFError, OSError):
            answer = self._end()
        if isinstance(answer, ShardnerError):
            raise answer
        if answer is not None:
            raise AnnotateError(
                f"shard {self._task.part}/{self._task.shard:05d}: {answer} while it loaded the pipeline; with fewer "
                f"workers there is more memory for each:   ner: {{threads: 1}}"
            )
        return self._connection

    def _end(self) -> str | None:
        """End the process; return how it had ended by itself, None if it had not."""
        assert self._process is not None and self._connection is not None
        self._process.join(1)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
        self._connection.close()
        self._process = self._connection = None
        return None if code is None else describe_exit(code)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._connection is not None:
            self._end()


def describe_exit(code: int) -> str:
    """Say how a process ended, by its exit code as `multiprocessing` gives it."""
    if code >= 0:
        return f"its worker ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its worker died with {name}" + (", perhaps because memory ran out" if -code == signal.SIGKILL else "")


def _cut(block: Block) -> Iterator[Block]:
    size = -(-block.rows // PIECES)
    for first in range(0, block.rows, size):
        yield Block(block.number, block.first + first, min(size, block.rows - first))
