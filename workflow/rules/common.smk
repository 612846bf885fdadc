# What the rules share: the settings, the plan, and the names of files. What decides is in shardner.parse.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(str(workflow.current_basedir), "..", "scripts").resolve()))

from shardner.config import complete, parse_config
from shardner.corpus.input_files import find_files
from shardner.errors import ShardnerError
from shardner.gpu.device import count_gpus
from shardner.parse import limits
from shardner.parse.command_line import remember_command
from shardner.parse.fingerprint import fingerprint
from shardner.parse.pipeline_source import SourceKind, code_files, prepares_here, source_files
from shardner.parse.run_plan import DEMO_CORPUS, plan_run


def get_plan():
    """Check the settings and the input before any job runs; return what the rules need to know."""
    try:
        plan = plan_run(parse_config(config), find_files)
        if workflow.is_main_process and plan.user_files:
            from shardner.corpus.check import check_files

            check_files(plan.user_files, plan.config.corpus)
        return plan
    except ShardnerError as error:
        raise WorkflowError(str(error)) from None


def get_limits():
    """Return what bounds the annotate jobs; let Snakemake run no more of them at once than there are GPUs."""
    choice, is_local = CONFIG.ner.device, workflow.nodes is None  # with a job scheduler, Snakemake is given nodes
    present = count_gpus() if limits.counts_gpus(choice, local=is_local) else 0
    resource = workflow.global_resources.get("gpu")
    gpu_jobs = given = resource.value if resource is not None else None
    if workflow.is_main_process:
        if warning := limits.warn_of_missing_gpus(given, present):
            logger.warning(warning)
        gpu_jobs = limits.limit_gpu_jobs(given, present)
        if gpu_jobs != given:
            workflow.register_resource("gpu", gpu_jobs)
    return limits.Limits(
        local=is_local,
        cores=workflow.resource_settings.cores,
        cluster_jobs=None if workflow.nodes == sys.maxsize else workflow.nodes,
        gpu_jobs=gpu_jobs,
        gpus_per_job=limits.decide_gpus_per_job(choice, local=is_local, gpus_present=present),
        threads=CONFIG.ner.threads,
    )


if workflow.is_main_process:
    remember_command(sys.argv)

PLAN = get_plan()
CONFIG = PLAN.config
LIMITS = get_limits()
SETTINGS = complete(config)
FILES = [storage(url) for url in CONFIG.corpus.files] if PLAN.files is None else [str(path) for path, _ in PLAN.files]
DEMO = DEMO_CORPUS.parent
OUT = CONFIG.output.dir
WORK = OUT / ".work"
LOGS = WORK / "logs"
BENCHMARKS = WORK / "benchmarks"
JOBS = WORK / "jobs"
CPU_ENV = "../../envs/cpu.yaml"
GPU_ENV = "../../envs/gpu.yaml"


wildcard_constraints:
    shard=r"\d{5}",


# With --software-deployment-method apptainer: what containers/shardner.def builds, in the run's directory.
container: "shardner.sif"


# Functions, because Snakemake computes a hash of each file in a long list that is given as it is.
def get_results(wildcards):
    """Return the files that a run makes for its user."""
    return list(PLAN.results)


def get_entities(wildcards):
    """Return the entities of all shards, in corpus order."""
    return [WORK / "entities" / f"{shard}.parquet" for shard in PLAN.shard_names]


def get_documents(wildcards):
    """Return the documents of all shards, in corpus order."""
    return [WORK / "documents" / f"{shard}.parquet" for shard in PLAN.shard_names]


def get_rejected(wildcards):
    """Return the rejected documents of all shards, in corpus order."""
    return [WORK / "rejected" / f"{shard}.parquet" for shard in PLAN.shard_names]


def get_jobs(wildcards):
    """Return the records of the jobs that annotated, by shard."""
    return [JOBS / "annotate_shard" / f"{shard}.json" for shard in PLAN.shard_names]


def get_findings(wildcards):
    """Return what the verification found, by shard."""
    return [WORK / "verify" / f"{shard}.json" for shard in PLAN.shard_names]


def get_demo_pipeline(wildcards):
    """Return the demo's pipeline where the run needs it."""
    return [DEMO / "pipeline"] if PLAN.source.kind is SourceKind.DEMO else []


def get_demo_gold(wildcards):
    """Return the demo's gold entities where the demo's corpus is annotated."""
    return [DEMO / "gold.parquet"] if PLAN.is_demo else []


def get_workers(wildcards):
    """Return the workers of an annotate job."""
    return limits.count_workers(LIMITS)


def get_sample_workers(wildcards):
    """Return the workers that annotate the estimate's sample."""
    return limits.count_sample_workers(LIMITS)


def get_memory_mb(wildcards, threads, attempt):
    """Return the memory that an annotate job asks a cluster for."""
    return limits.annotate_memory_mb(threads, attempt)


def growing(first):
    """Return what a cluster is asked for: `first`, and as much again at each further attempt."""
    return lambda wildcards, attempt: first * attempt
