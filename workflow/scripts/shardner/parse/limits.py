"""How many annotate jobs run at once, and how many workers, GPUs and bytes each of them gets.

Snakemake knows what the command line allows, and the driver knows the GPUs of this machine. The functions here decide
from those figures alone, so that they can be tested without Snakemake and without a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

from shardner.config import Auto, DeviceChoice
from shardner.errors import ConfigError

#: Memory in MB that an annotate job asks a cluster for: for its main process, and for each worker.
JOB_MEMORY_MB = 1_000
WORKER_MEMORY_MB = 1_500
#: Cores on which the tables of all parts are put together into one file, at most.
MERGE_THREADS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the annotate jobs of a run.

    Attributes:
        local: the jobs run on this machine; otherwise a job scheduler (Slurm, say) runs them.
        cores: cores for all jobs together (``--cores``); None where the command line does not say.
        cluster_jobs: jobs that a scheduler may hold at once (``--jobs``); None without such a limit.
        gpu_jobs: jobs with a GPU that may run at once (``--resources gpu=N``); None without such a limit.
        gpus_per_job: GPUs that a job asks Snakemake for, 0 or 1.
        threads: the setting ``ner.threads``: the workers of a job.
    """

    local: bool
    cores: int | None
    cluster_jobs: int | None
    gpu_jobs: int | None
    gpus_per_job: int
    threads: int | Auto

    @property
    def uses_gpus(self) -> bool:
        """Whether the jobs get a GPU. With ``--resources gpu=0`` they run on the CPU, whatever they ask for."""
        return self.gpus_per_job > 0 and self.gpu_jobs != 0


def counts_gpus(choice: DeviceChoice, *, local: bool) -> bool:
    """Tell whether the number of GPUs of this machine decides anything: counting them takes time."""
    return local and choice is not DeviceChoice.CPU


def decide_gpus_per_job(choice: DeviceChoice, *, local: bool, gpus_present: int) -> int:
    """Return how many GPUs an annotate job asks Snakemake for.

    The GPUs of this machine decide for jobs that run here. For jobs that run elsewhere the settings alone decide.

    Args:
        choice: the setting ``ner.device``.
        local: the jobs run on this machine.
        gpus_present: GPUs of this machine that jobs can use.
    """
    if choice is DeviceChoice.AUTO and local:
        return min(gpus_present, 1)
    return 1 if choice is DeviceChoice.GPU else 0


def limit_gpu_jobs(given: int | None, gpus_present: int) -> int | None:
    """Return how many jobs with a GPU may run at once: one per GPU of this machine, or fewer where the user says so.

    Args:
        given: N of ``--resources gpu=N``; None where it is not given.
        gpus_present: GPUs of this machine that jobs can use; 0 also where they were not counted, which limits nothing.
    """
    if not gpus_present:
        return given
    return gpus_present if given is None else min(given, gpus_present)


def warn_of_missing_gpus(given: int | None, gpus_present: int) -> str | None:
    """Return a warning where ``--resources gpu=N`` names more GPUs than there are, None otherwise."""
    if given is None or not gpus_present or given <= gpus_present:
        return None
    return f"--resources gpu={given}, but there are {gpus_present} devices: {gpus_present} jobs run at once"


def count_workers(limits: Limits) -> int:
    """Return the workers of an annotate job: an even share of the cores for each GPU, or one worker without a GPU.

    Raises:
        ConfigError: the cores are to be shared among GPUs, and the command line does not say how many there are.
    """
    if limits.threads != "auto":
        return limits.threads
    if not limits.uses_gpus:
        return 1
    if limits.cores is None:
        raise ConfigError(
            "ner.threads: auto shares the cores among the GPUs, and the number of cores is not known; give --cores, "
            "or --set-threads annotate_shard=8 (on a cluster, in its profile), or write:   ner: {threads: 8}"
        )
    return max(limits.cores // (limits.gpu_jobs or 1), 1)


def count_jobs_at_once(limits: Limits) -> int | None:
    """Return how many annotate jobs run at once; None where only a job scheduler decides.

    Raises:
        ConfigError: as `count_workers`.
    """
    if not limits.local:
        return limits.cluster_jobs
    jobs = max((limits.cores or 1) // count_workers(limits), 1)
    return jobs if not limits.uses_gpus or limits.gpu_jobs is None else min(jobs, limits.gpu_jobs)


def count_splits_at_once(limits: Limits) -> int | None:
    """Return how many parts are split at once, on a core each; None where only a job scheduler decides."""
    return (limits.cores or 1) if limits.local else limits.cluster_jobs


def count_local_workers(limits: Limits) -> int | None:
    """Return the workers of an annotate job that runs here; None on a cluster, where the profile sets its threads."""
    return count_workers(limits) if limits.local else None


def count_sample_workers(limits: Limits) -> int:
    """Return the workers that annotate the sample of ``snakemake estimate``.

    The estimate is one job. On the CPU of this machine it has the workers of all jobs that will run at once, because
    they slow each other down. Elsewhere it has the workers of one job, which has its device to itself.
    """
    alone = limits.uses_gpus or not limits.local
    return count_workers(limits) * (1 if alone else count_jobs_at_once(limits) or 1)


def annotate_memory_mb(threads: int, attempt: int) -> int:
    """Return the memory in MB that an annotate job asks a cluster for; each further attempt asks for as much again."""
    return (JOB_MEMORY_MB + WORKER_MEMORY_MB * threads) * attempt
