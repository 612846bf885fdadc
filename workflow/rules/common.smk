# What the rules share: the settings, the plan, and where files lie.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(str(workflow.current_basedir), "..", "scripts").resolve()))

from shardner.config import complete, parse_config
from shardner.corpus.files import expand_files
from shardner.corpus.remote import check_remote, is_remote
from shardner.demo.size import DEMO_CORPUS_BYTES
from shardner.errors import ShardnerError
from shardner.gpu.device import count_gpus, gpus_a_job
from shardner.parse.command_line import remember_command
from shardner.parse.file_names import refuse_patterns
from shardner.parse.fingerprint import fingerprint
from shardner.parse.pipeline_source import SourceKind, classify, prepares_here, source_files
from shardner.parse.shard_plan import estimate_chars, plan_shards

DEMO = Path("resources/demo")


def get_plan():
    """Check the settings and the input, before any job runs; return what the rules need to know."""
    try:
        parsed = parse_config(config)
        source = classify(parsed.model.name)
        if parsed.corpus.files == ("demo",):
            files = [(DEMO / "corpus.jsonl", DEMO_CORPUS_BYTES)]
        elif any(map(is_remote, parsed.corpus.files)):
            check_remote(parsed.corpus.files, parsed.shards)
            return parsed, source, [storage(url) for url in parsed.corpus.files], parsed.shards
        else:
            files = [(path, path.stat().st_size) for path in expand_files(parsed.corpus.files)]
            refuse_patterns([parsed.output.dir, Path(source.name), *(path for path, _ in files)])
            if workflow.is_main_process:
                from shardner.corpus.check import check_files

                check_files([path for path, _ in files], parsed.corpus)
    except ShardnerError as error:
        raise WorkflowError(str(error)) from None
    count = plan_shards(estimate_chars(files)) if parsed.shards == "auto" else parsed.shards
    return parsed, source, [str(path) for path, _ in files], count


def limit_gpus():
    """Let no more GPU jobs run at once than this machine has devices; return the GPUs of an annotate job."""
    local = workflow.nodes is None  # with a job scheduler, Snakemake is given nodes
    wanted = gpus_a_job(CONFIG.ner.device, local=local)
    if wanted and local and workflow.is_main_process:
        given, there = workflow.global_resources.get("gpu"), count_gpus()
        if there and given is not None and given.value is not None and given.value > there:
            logger.warning(f"--resources gpu={given.value}, but there are {there} devices: {there} jobs run at once")
        if there and (given is None or given.value is None or given.value > there):
            workflow.register_resource("gpu", there)
    return wanted


if workflow.is_main_process:
    remember_command(sys.argv)

CONFIG, SOURCE, FILES, COUNT = get_plan()
GPUS = limit_gpus()
SETTINGS = complete(config)
SHARDS = [f"{shard:05d}" for shard in range(COUNT)]
OUT = CONFIG.output.dir
WORK = OUT / ".work"
LOGS = WORK / "logs"
BENCHMARKS = WORK / "benchmarks"
JOBS = WORK / "jobs"
IS_LOCAL = not any(map(is_remote, CONFIG.corpus.files))
IS_DEMO = FILES == [str(DEMO / "corpus.jsonl")]
CPU_ENV = "../../envs/cpu.yaml"
GPU_ENV = "../../envs/gpu.yaml"


wildcard_constraints:
    shard=r"\d{5}",


# With --software-deployment-method apptainer: what containers/shardner.def builds, in the run's directory.
container: "shardner.sif"


def get_sizes():
    """Return the input files with their bytes; None where they have not been fetched, or made."""
    if IS_DEMO:
        return [(DEMO / "corpus.jsonl", DEMO_CORPUS_BYTES)]
    return [(Path(path), Path(path).stat().st_size) for path in FILES] if IS_LOCAL else None


def get_results(wildcards):
    """Return the files that a run makes for its user."""
    names = ["entities.parquet", "documents.parquet", "rejected.parquet"]
    names += ["performance.json", "report.html", "provenance.json"]
    names += ["spans.parquet"] if CONFIG.output.spans else []
    names += ["entities.csv"] if "csv" in CONFIG.output.formats else []
    names += ["documents.jsonl"] if "jsonl" in CONFIG.output.formats else []
    if "spacy" in CONFIG.output.formats:
        names += [f"documents.spacy/{shard}.spacy" for shard in SHARDS]
    return [OUT / name for name in names]


# Functions: of a long list given as it stands, Snakemake computes a hash for each of its members.
def get_entities(wildcards):
    """Return the entities of all shards, in corpus order."""
    return [WORK / "entities" / f"{shard}.parquet" for shard in SHARDS]


def get_documents(wildcards):
    """Return the documents of all shards, in corpus order."""
    return [WORK / "documents" / f"{shard}.parquet" for shard in SHARDS]


def get_rejected(wildcards):
    """Return the rejected documents of all shards, in corpus order."""
    return [WORK / "rejected" / f"{shard}.parquet" for shard in SHARDS]


def get_jobs(wildcards):
    """Return the records of the jobs that annotated, by shard."""
    return [JOBS / "annotate_shard" / f"{shard}.json" for shard in SHARDS]


def get_spans(wildcards):
    """Return the spans of all shards, in corpus order, where span groups are asked for."""
    return [WORK / "spans" / f"{shard}.parquet" for shard in SHARDS] if CONFIG.output.spans else []


def with_spans(path):
    """Return a rule's output `spans`, where span groups are asked for."""
    return {"spans": path} if CONFIG.output.spans else {}


def get_findings(wildcards):
    """Return what the verification found, by shard."""
    return [WORK / "verify" / f"{shard}.json" for shard in SHARDS]


def get_sample_workers(wildcards):
    """Return the workers that annotate the estimate's sample: as many as will compute at once on a device."""
    return get_worker_count(wildcards) * (1 if GPUS or workflow.nodes is not None else get_jobs_at_once())


def get_demo_pipeline(wildcards):
    """Return the demo's pipeline where the run needs it."""
    return [DEMO / "pipeline"] if SOURCE.kind is SourceKind.DEMO else []


def get_demo_gold(wildcards):
    """Return the demo's gold entities where the demo's corpus is annotated."""
    return [DEMO / "gold.parquet"] if IS_DEMO else []


def get_worker_count(wildcards):
    """Return the workers of an annotate job: the cores of a device, or one without a GPU."""
    if CONFIG.ner.threads != "auto":
        return CONFIG.ner.threads
    limit = workflow.global_resources.get("gpu")
    gpus = limit.value if limit is not None and limit.value is not None else 1
    return max(workflow.cores // gpus, 1) if GPUS and gpus else 1


def get_jobs_at_once():
    """Return how many annotate jobs run at once, None where a job scheduler decides."""
    if workflow.nodes is not None:
        return None if workflow.nodes == sys.maxsize else workflow.nodes
    limit = workflow.global_resources.get("gpu") if GPUS else None
    jobs = max(workflow.cores // get_worker_count(None), 1)
    return jobs if limit is None or limit.value is None else min(jobs, limit.value)


def get_local_workers():
    """Return the workers of an annotate job that runs here; None on a cluster, where the profile sets its threads."""
    return get_worker_count(None) if workflow.nodes is None else None


def get_memory_mb(wildcards, threads, attempt):
    """Return the memory that an annotate job asks a cluster for; more at each further attempt."""
    return (1_000 + 1_500 * threads) * attempt


def growing(first):
    """Return what a cluster is asked for: `first`, and as much again at each further attempt."""
    return lambda wildcards, attempt: first * attempt
