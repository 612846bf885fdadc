"""One annotate job: a shard goes in; its entities, documents, rejected documents and the record of the job come out.

lease the device → start workers → each loads the pipeline → annotate blocks → write in order → give the device back
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from shardner.annotate.block_annotator import BlockRecord, Task
from shardner.annotate.blocks import Block, plan_blocks
from shardner.annotate.draw import find_limit, window_keys
from shardner.annotate.shard_tables import TableWriter
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.annotate.worker_pool import AnnotateBlocks, annotate_in_processes
from shardner.config import NerConfig
from shardner.data.files import is_as_written, scratch_directory
from shardner.data.job_files import write_job
from shardner.data.job_recording import host_resources, peak_rss_bytes, requested_bytes
from shardner.data.metrics import GpuUse, Job, Phase, Totals, Worker, add_up, unsure_joins
from shardner.data.schedulers import find_scheduler
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import ShardFiles, read_table, scan_table
from shardner.errors import AnnotateError
from shardner.gpu.device import Device, lease_device
from shardner.gpu.memory import Share, share_out
from shardner.gpu.sampling import sampled
from shardner.model.components import Request
from shardner.model.pipeline import Pipeline, pipeline_bytes, unchanged
from shardner.terminal.job_progress import progress_of

log = logging.getLogger(__name__)


def annotate_shard(
    part: str,
    shard: int,
    windows: Path,
    pipeline: Pipeline,
    ner: NerConfig,
    *,
    threads: int,
    results: ShardFiles,
    gpus: int = 1,
    mem_mb: object = None,
    rejects: bool = True,
    request: Request | None = None,
    sizes: Sizes = DEFAULT_SIZES,
    annotate_blocks: AnnotateBlocks = annotate_in_processes,
) -> Job:
    """Annotate a shard on one device and write its results, the record of the job last.

    Args:
        part: the name of its part.
        shard: its number in the part.
        windows: its file.
        pipeline: what annotates.
        ner: how it annotates.
        threads: workers, at most; fewer where the device's memory is too small for so many.
        results: where the results go.
        gpus: GPUs that the job was granted; without one it runs on the CPU.
        mem_mb: the job's resource of that name.
        rejects: whether a document that ends its worker is rejected; else it ends the job.
        request: what is asked for besides entities.
        sizes: how much is handled at once.
        annotate_blocks: runs the workers.

    Raises:
        ModelError: the pipeline cannot be loaded, or changed since the run began.
        DeviceError: the device asked for cannot be used.
        AnnotateError: the shard is gone or damaged, a document ended its worker and may not be
            rejected, the audit found a difference, an attribute asked for
            does not exist or cannot be written, or a document was cut that must not be.
    """
    if not windows.is_file():
        raise AnnotateError(f"{windows} is gone; remove {windows.parent} and run again: the corpus is then split anew")
    if not is_as_written(windows):
        raise AnnotateError(
            f"shard {part}/{shard:05d}: its texts are damaged; remove {windows.parent} and run again: "
            f"what that part holds is then split and annotated anew"
        )
    _refuse_cut_documents(windows, pipeline)
    blocks = plan_blocks(windows, threads, sizes)
    with unchanged(pipeline), lease_device(ner.device, gpus=gpus) as device:
        started_at_s = time.time()  # from now on the device is the job's
        workers, share = _share_device(device, pipeline, ner, threads)
        log.info(
            "shard %s/%05d: %d blocks, %d workers on %s (%s)",
            part, shard, len(blocks), workers, device.name, device.reason,
        )  # fmt: skip
        task = _make_task(part, shard, windows, pipeline, ner, share, sizes)
        task = replace(task, request=request or Request(), rejects=rejects)
        done = _annotate_and_write(task, blocks, device, workers, results, annotate_blocks)
    job = replace(
        _record_job(task, done, device, workers),
        started_at_s=started_at_s,
        requested_memory_bytes=requested_bytes(mem_mb),
        digests=results.digests(),
        pipeline=pipeline.sha256,
    )
    write_job(results.job, job)
    log.info("shard %s/%05d: %d documents, %d entities", part, shard, job.totals.documents, job.totals.entities)
    return job


def _refuse_cut_documents(windows: Path, pipeline: Pipeline) -> None:
    """Raise `AnnotateError` where the pipeline takes nothing but whole documents, and a document was cut."""
    reason = pipeline.whole_documents_only
    if reason is None:
        return
    cut = scan_table(windows).filter(pl.col("windows") > 1).select("id", "chars").collect()
    if cut.height:
        row = cut.row(int(cut["chars"].arg_max() or 0))
        raise AnnotateError(
            f"the document {row[0]!r} of {row[1]} characters was cut into windows, but {reason}; "
            f"to annotate it in one piece, write:   windows: {{max_chars: {row[1]}}}"
        )


def _share_device(device: Device, pipeline: Pipeline, ner: NerConfig, threads: int) -> tuple[int, Share | None]:
    """Return how many workers fit the device, and how much of its memory each of them has.

    Raises:
        DeviceError: fewer fit than the settings ask for.
    """
    if device.gpu is None:
        return threads, None
    if device.gpu.exclusive and threads > 1:
        log.warning("1 worker instead of %d: the device's compute mode lets one process compute at a time", threads)
        threads = 1
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


def _make_task(
    part: str, shard: int, windows: Path, pipeline: Pipeline, ner: NerConfig, share: Share | None, sizes: Sizes
) -> Task:
    numbers = read_table(windows, columns=["doc", "window"])
    keys = window_keys(part, numbers["doc"].to_numpy(), numbers["window"].to_numpy())
    return Task(
        part=part,
        shard=shard,
        windows=windows,
        pipeline=pipeline,
        engine=ner.engine,
        batch_tokens=None if ner.batch_tokens == "auto" else ner.batch_tokens,
        draw_limit=find_limit(keys, ner.audit),
        started_at_s=time.time(),
        share=share,
        timeout_s=None if ner.timeout_s == "auto" else float(ner.timeout_s),
        sizes=sizes,
    )


class _Done(NamedTuple):
    """What is known when all blocks of a job have been annotated and the tables written."""

    blocks: list[BlockRecord]
    use: GpuUse  # what the device did
    parent: Totals  # what the job's own process took
    ended_at_s: float  # Unix time


def _annotate_and_write(
    task: Task,
    blocks: Sequence[Block],
    device: Device,
    workers: int,
    results: ShardFiles,
    annotate_blocks: AnnotateBlocks,
) -> _Done:
    """Annotate all blocks and write the tables."""
    watch = Stopwatch()
    finished: list[BlockRecord] = []
    count = sum(block.rows for block in blocks)
    with scratch_directory(results.entities) as scratch:
        writer = TableWriter(task.windows, scratch, task.sizes.blocks_per_file)
        with sampled(device) as measured, progress_of(count, "documents", results.job) as progress:
            for tables, record in annotate_blocks(task, blocks, workers, device.environment):
                progress.advance(record.block.rows, chars=record.totals.chars, tokens=record.totals.tokens)
                with watch.phase(Phase.WRITE):
                    writer.add(tables)
                finished.append(record)
        with watch.phase(Phase.WRITE):
            writer.write(results)
    parent = Totals(seconds=dict(watch.seconds), peak_rss_bytes=peak_rss_bytes())
    return _Done(finished, measured.use, parent, ended_at_s=time.time())


def _record_job(task: Task, done: _Done, device: Device, threads: int) -> Job:
    """Return the record of a job, as far as it is about the annotation."""
    blocks = done.blocks
    pids = sorted({block.pid for block in blocks})
    workers = tuple(
        _record_worker(number, task, [block for block in blocks if block.pid == pid], done.ended_at_s)
        for number, pid in enumerate(pids)
    )
    scheduled = find_scheduler(os.environ)
    device_memory = Totals(peak_device_bytes=done.use.memory_peak_bytes)  # 0 on the CPU
    return Job(
        rule="annotate_shard",
        part=task.part,
        shard=task.shard,
        host=socket.gethostname(),
        device=device.name,
        device_uuid=device.uuid,
        cuda_visible_devices=device.cuda_visible_devices,
        threads=threads,
        engine=blocks[0].engine if blocks else None,
        engine_reason=blocks[0].engine_reason if blocks else None,
        started_at_s=task.started_at_s,
        ended_at_s=done.ended_at_s,
        totals=add_up([done.parent, *(worker.totals for worker in workers), device_memory]),
        workers=workers,
        scheduler=scheduled.scheduler if scheduled else None,
        job_id=scheduled.job if scheduled else None,
        joins=unsure_joins(place for block in blocks for place in block.unsure),
        memory_bytes=done.parent.peak_rss_bytes + sum(worker.totals.peak_rss_bytes for worker in workers),
        host_resources=host_resources(),
        **_describe_gpu(device, done.use),
    )


def _describe_gpu(device: Device, use: GpuUse) -> dict[str, Any]:
    """Return what the record says of the job's GPU, nothing on the CPU."""
    if device.gpu is None:
        return {}
    return {
        "device_number": device.gpu.number,
        "device_memory_bytes": device.gpu.total_bytes,
        "devices_present": device.present,
        "driver": device.driver,
        "cuda": device.cuda,
        "gpu_use": use,
    }


def _record_worker(number: int, task: Task, blocks: Sequence[BlockRecord], ended_at_s: float) -> Worker:
    """Return the record of a worker, which annotated `blocks`; the job ended at `ended_at_s`."""
    totals = add_up(block.totals for block in blocks)
    idle_s = max(ended_at_s - task.started_at_s - sum(totals.seconds.values()), 0.0)
    return Worker(
        worker=number,
        pid=blocks[0].pid,
        started_at_s=task.started_at_s,
        ready_at_s=blocks[0].ready_at_s,
        ended_at_s=max(block.ended_at_s for block in blocks),
        totals=totals + Totals(seconds={Phase.IDLE.value: idle_s}),
    )
