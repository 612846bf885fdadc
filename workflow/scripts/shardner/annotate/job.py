"""One annotate job: a shard goes in; its entities, documents, rejected documents and metrics come out.

lease the device → start workers → each loads the pipeline → annotate blocks → write in order → give the device back
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shardner.annotate.audit import find_limit, sample_keys
from shardner.annotate.worker import Block, Result, Task, annotate_block, end_with_parent
from shardner.config import NerConfig
from shardner.data.files import atomic_path, scratch_directory
from shardner.data.job_files import write_job
from shardner.data.job_recording import host_resources, peak_rss_bytes, requested_bytes
from shardner.data.metrics import GpuUse, Job, Phase, Totals, Worker, add_up, unsure_joins
from shardner.data.schedulers import find_scheduler
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import SHARD_DOCUMENTS, SHARD_ENTITIES, SHARD_REJECTED, WINDOWS, ShardFiles
from shardner.errors import AnnotateError
from shardner.gpu.device import Device, lease_device
from shardner.gpu.memory import Share, share_out
from shardner.gpu.sampling import sampled
from shardner.model.pipeline import Pipeline, pipeline_bytes
from shardner.terminal.job_progress import Progress, progress_of

log = logging.getLogger(__name__)

#: A block holds at most so many characters (or one window): what a worker annotates before it reports.
BLOCK_CHARS = 1 << 19
#: With several workers a block holds less, so that each worker has so many and none waits long for the last one.
BLOCKS_A_WORKER = 8
LEAST_BLOCK_CHARS = 1 << 15
#: Blocks that lie ready for each worker, so that none waits for the parent.
BLOCKS_AHEAD = 2
#: Finished blocks are written to disk when this many wait.
BLOCKS_A_PART = 64
#: From this many documents on, a shard of which every one fails is an error of the pipeline, not of the documents.
ALL_FAILED = 20
#: One thread for each numerical library: the workers are the parallelism.
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS", "POLARS_MAX_THREADS",
    )
}  # fmt: skip


def annotate_shard(
    shard: int, windows: Path, pipeline: Pipeline, ner: NerConfig, *, threads: int, results: ShardFiles, gpus: int = 1,
    mem_mb: object = None,
) -> Job:  # fmt: skip
    """Annotate a shard with `threads` workers on one device, and write its results; the metrics last.

    `gpus` is how many GPUs the job was granted; with none it runs on the CPU. `mem_mb` is the resource of that name.

    Raises:
        ModelError: the pipeline cannot be loaded.
        DeviceError: the device asked for cannot be used.
        AnnotateError: a worker died, or every document fails.
    """
    if not windows.is_file():
        raise AnnotateError(f"{windows} is gone; remove {windows.parent} and run again: the corpus is then split anew")
    blocks = plan_blocks(windows, threads)
    with lease_device(ner.device, gpus=gpus) as device, scratch_directory(results.entities) as scratch:
        started_at_s = time.time()  # from now on the device is the job's
        threads, share = _share_device(device, pipeline, ner, threads)
        log.info(
            "shard %05d: %d blocks, %d workers on %s (%s)", shard, len(blocks), threads, device.name, device.reason
        )
        batch_tokens = None if ner.batch_tokens == "auto" else ner.batch_tokens
        numbers = pl.read_parquet(windows, columns=["doc", "window"])
        limit = find_limit(sample_keys(numbers["doc"].to_numpy(), numbers["window"].to_numpy()), ner.audit)
        task = Task(shard, windows, pipeline, ner.engine, batch_tokens, limit, time.time(), share)
        watch = Stopwatch()
        tables = _Tables(scratch, _schemas(windows))
        finished: list[Result] = []
        count = sum(block.rows for block in blocks)
        with sampled(device) as measured, progress_of(count, "documents", results.job) as progress:
            for result in _annotate_blocks(task, blocks, threads, device, progress):
                with watch.phase(Phase.WRITE):
                    tables.add(result)
                finished.append(_without_tables(result))
        with watch.phase(Phase.WRITE):
            tables.write({"entities": results.entities, "documents": results.documents, "rejected": results.rejected})
        job = _job_record(task, finished, device, threads, started_at_s, watch)
    use = _gpu_figures(job, device, measured.use)
    job = replace(job, requested_memory_bytes=requested_bytes(mem_mb), **use)
    _refuse_all_failed(job.totals, results.rejected)
    write_job(results.job, job)
    log.info("shard %05d: %d documents, %d entities", shard, job.totals.documents, job.totals.entities)
    return job


def _share_device(device: Device, pipeline: Pipeline, ner: NerConfig, threads: int) -> tuple[int, Share | None]:
    """Return how many workers fit the device, and what each has of its memory.

    Raises:
        DeviceError: not as many as the settings ask for.
    """
    if device.gpu is None:
        return threads, None
    workers, share = share_out(
        free_bytes=device.gpu.free_bytes,
        total_bytes=device.gpu.total_bytes,
        model_bytes=pipeline_bytes(pipeline),
        workers=threads,
        may_lower=ner.threads == "auto",
    )
    if workers < threads:
        log.warning("%d workers instead of %d: more do not fit the device's memory", workers, threads)
    return workers, share


def plan_blocks(windows: Path, workers: int = 1, block_chars: int = BLOCK_CHARS) -> list[Block]:
    """Cut a shard into blocks of consecutive windows of at most `block_chars` characters, or one window.

    For several workers blocks are smaller, where the shard is too small to keep all of them busy.
    """
    sizes = pl.scan_parquet(windows).select(pl.col("text").str.len_chars()).collect().to_series().to_numpy()
    before = np.cumsum(sizes, dtype=np.int64)
    if workers > 1 and sizes.size:
        share = int(before[-1]) // (workers * BLOCKS_A_WORKER)
        block_chars = min(block_chars, max(share, LEAST_BLOCK_CHARS))
    blocks: list[Block] = []
    first = 0
    while first < sizes.size:
        done = before[first - 1] if first else 0
        stop = max(int(np.searchsorted(before, done + block_chars, side="right")), first + 1)
        blocks.append(Block(len(blocks), first, stop - first))
        first = stop
    return blocks


def _annotate_blocks(
    task: Task, blocks: Sequence[Block], threads: int, device: Device, progress: Progress
) -> Iterator[Result]:
    """Yield the results of blocks in order, while the workers go on with later ones."""
    if not blocks:
        return
    workers = min(threads, len(blocks))
    with _environment({**ONE_THREAD, **device.environment}):
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=end_with_parent)
        waiting: deque[Future[Result]] = deque()
        todo = iter(blocks)
        try:
            while True:
                while len(waiting) < workers * (1 + BLOCKS_AHEAD) and (block := next(todo, None)) is not None:
                    waiting.append(pool.submit(annotate_block, task, block))
                if not waiting:
                    return
                result = waiting.popleft().result()
                progress.advance(result.block.rows, chars=result.totals.chars, tokens=result.totals.tokens)
                yield result
        except BrokenProcessPool as error:
            raise AnnotateError(
                f"shard {task.shard:05d}: a worker died before it finished, killed perhaps because memory ran out; "
                f"with fewer workers or smaller batches it needs less:   ner: {{threads: 1, batch_tokens: 2000}}"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started in the block."""
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


def _schemas(windows: Path) -> dict[str, dict[str, pl.DataType]]:
    shard = pl.read_parquet_schema(windows)
    keep = {column: dtype for column, dtype in shard.items() if column not in WINDOWS}
    return {
        "entities": dict(SHARD_ENTITIES),
        "documents": {**SHARD_DOCUMENTS, **keep},
        "rejected": dict(SHARD_REJECTED),
    }


class _Tables:
    """The results of a shard: gathered, now and then put on disk, and written out as one file each."""

    def __init__(self, scratch: Path, schemas: Mapping[str, Mapping[str, pl.DataType]]) -> None:
        self._scratch = scratch
        self._waiting = {name: [pl.DataFrame(schema=dict(schema))] for name, schema in schemas.items()}
        self._parts: dict[str, list[Path]] = {name: [] for name in schemas}

    def add(self, result: Result) -> None:
        for name, frames in self._waiting.items():
            frames.append(getattr(result, name))
            if len(frames) >= BLOCKS_A_PART:
                part = self._scratch / f"{name}-{len(self._parts[name]):06d}.parquet"
                pl.concat(frames).write_parquet(part, compression="lz4")
                self._parts[name].append(part)
                frames[:] = [frames[0].clear()]

    def write(self, targets: Mapping[str, Path]) -> None:
        for name, target in targets.items():
            rest = pl.concat(self._waiting[name])
            with atomic_path(target) as temporary:
                if self._parts[name]:
                    parts = [pl.scan_parquet(part) for part in self._parts[name]]
                    pl.concat([*parts, rest.lazy()]).sink_parquet(temporary, maintain_order=True)
                else:
                    rest.write_parquet(temporary)


def _without_tables(result: Result) -> Result:
    nothing = pl.DataFrame()
    return replace(result, entities=nothing, documents=nothing, rejected=nothing)


def _job_record(
    task: Task, results: Sequence[Result], device: Device, threads: int, started_at_s: float, watch: Stopwatch
) -> Job:
    ended_at_s = time.time()
    pids = sorted({result.pid for result in results})
    workers = tuple(
        _worker_record(number, task, [result for result in results if result.pid == pid], ended_at_s)
        for number, pid in enumerate(pids)
    )
    scheduled = find_scheduler(os.environ)
    parent = Totals(seconds={Phase.WRITE.value: watch.seconds[Phase.WRITE.value]}, peak_rss_bytes=peak_rss_bytes())
    return Job(
        rule="annotate_shard",
        shard=task.shard,
        host=socket.gethostname(),
        device=device.name,
        device_uuid=device.uuid,
        cuda_visible_devices=device.cuda_visible_devices,
        threads=threads,
        engine=results[0].engine if results else None,
        engine_reason=results[0].engine_reason if results else None,
        started_at_s=started_at_s,
        ended_at_s=ended_at_s,
        totals=add_up([parent, *(worker.totals for worker in workers)]),
        workers=workers,
        scheduler=scheduled.scheduler if scheduled else None,
        job_id=scheduled.job if scheduled else None,
        joins=unsure_joins(place for result in results for place in result.unsure),
        memory_bytes=parent.peak_rss_bytes + sum(worker.totals.peak_rss_bytes for worker in workers),
        host_resources=host_resources(),
    )


def _gpu_figures(job: Job, device: Device, use: GpuUse) -> dict[str, Any]:
    """Return what a job's record says of its GPU, nothing on the CPU."""
    if device.gpu is None:
        return {}
    return {
        "totals": job.totals + Totals(peak_device_bytes=use.memory_peak_bytes),
        "device_number": device.gpu.number,
        "device_memory_bytes": device.gpu.total_bytes,
        "devices_present": device.present,
        "driver": device.driver,
        "cuda": device.cuda,
        "gpu_use": use,
    }


def _worker_record(number: int, task: Task, results: Sequence[Result], ended_at_s: float) -> Worker:
    totals = add_up(result.totals for result in results)
    idle_s = max(ended_at_s - task.started_at_s - sum(totals.seconds.values()), 0.0)
    return Worker(
        worker=number,
        pid=results[0].pid,
        started_at_s=task.started_at_s,
        ready_at_s=results[0].ready_at_s,
        ended_at_s=max(result.ended_at_s for result in results),
        totals=totals + Totals(seconds={Phase.IDLE.value: idle_s}),
    )


def _refuse_all_failed(totals: Totals, rejected: Path) -> None:
    if totals.documents == 0 and totals.rejected >= ALL_FAILED:
        reason = pl.scan_parquet(rejected).select("reason").first().collect().item()
        raise AnnotateError(
            f"every one of the shard's {totals.rejected} documents failed, the first with: {reason}\n"
            f"Try the pipeline on one text in Python; if a component is missing, name it in model.components"
        )
