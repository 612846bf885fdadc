# What the rules share: the settings, the plan, and the names of files. What decides is in shardner.parse.

import inspect
import os
import sys
import tempfile
from pathlib import Path
from secrets import token_hex

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Of the directory in which Snakemake works; where there is none, --configfile and --config have all settings.
if os.path.exists("config.yaml"):

    configfile: "config.yaml"


sys.path.insert(0, str(Path(str(workflow.current_basedir), "..", "scripts").resolve()))

from shardner.config import parse_config
from shardner.corpus.input_files import InputFiles
from shardner.corpus.patterns import describe_left_out
from shardner.corpus.remote import is_remote, snakemake_url
from shardner.data.disk_errors import describe_disk_error
from shardner.data.files import state_of
from shardner.data.job_errors import RUN_VARIABLE
from shardner.data.stored_files import is_stored
from shardner.errors import ShardnerError
from shardner.gpu.device import count_gpus
from shardner.parse import limits
from shardner.parse.command_line import remember_command, remember_reading
from shardner.parse.fingerprint import fingerprint
from shardner.parse.gone import find_gone
from shardner.parse.owner import check_owner, name_run
from shardner.parse.overwriting import refuse_foreign_results, refuse_overwriting
from shardner.parse.pipeline_source import DEMO, SourceKind, code_files, prepares_here, source_files
from shardner.parse.run_plan import GENERATED_CORPUS, plan_run
from shardner.parse.unused import find_unused
from shardner.settings import complete


def get_config():
    """Check the settings and return them typed."""
    try:
        checked = parse_config(config)
    except ShardnerError as error:
        raise WorkflowError(str(error)) from None
    alone = workflow.is_main_process and workflow.modifier.is_main_snakefile()
    if alone and not os.path.exists("config.yaml") and not (config.get("corpus") or {}).get("files"):
        raise WorkflowError(
            f"corpus.files: no corpus is named, and {Path.cwd()} holds no config.yaml;\n"
            "  write one, or give settings, for example:  "
            "--config corpus='{files: [news.jsonl]}' model='{name: en_core_web_sm}'"
        )
    return checked


def get_plan():
    """Check the input before any job runs; return what the rules need to know."""
    try:
        plan = plan_run(
            CONFIG,
            INPUT_FILES.find,
            lambda path: INPUT_FILES.can_be_entered(path, CONFIG.corpus),
            on_gpus=LIMITS.uses_gpus,
        )
        if workflow.is_main_process:
            from shardner.corpus.check import check_files, check_records

            refuse_overwriting(plan.config.output.dir, plan.inputs, plan.pipeline_directory)
            refuse_foreign_results(plan.config.output.dir)
            if CONFIG.model.name == DEMO and plan.source.kind is SourceKind.TRAINED:
                logger.warning(
                    "model.name: demo: spaCy's small English pipeline is not installed, so a smaller one is trained on\n"
                    "  generated text, which knows little of real pages"
                )
            if plan.user_files:
                from shardner.parse.dry_run import describe_ways

                looks = check_files(plan.user_files, plan.config.corpus)
                doubts = [doubt for look in looks for doubt in look.doubts]
                doubts += check_records(plan.files, plan.config.corpus)
                for line in [*describe_left_out(plan.config.corpus), *doubts[:MOST_DOUBTS]]:
                    logger.warning(line)
                READ_AS.extend(look.read_as for look in looks)
                remember_reading(describe_ways(READ_AS))
        return plan
    except ShardnerError as error:
        raise WorkflowError(str(error)) from None
    except OSError as error:
        if message := describe_disk_error(error, [Path(tempfile.gettempdir())]):
            raise WorkflowError(f"DiskError: {message}") from None
        raise


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


def get_run_name():
    """Return the name of this run: its settings and inputs, as far as they decide about results."""
    settings = {**SETTINGS, "corpus": READING, "output": {**SETTINGS["output"], "dir": None}, "ner": None}
    return name_run({**settings, "verify": None, "urls": FILES if PLAN.files is None else None}, PLAN.inputs)


def refuse_other_owner():
    """Refuse to go on where the results are those of a run that was started elsewhere."""
    try:
        check_owner(OUT, get_run_name() if workflow.is_main_process else None)
    except ShardnerError as error:
        raise WorkflowError(str(error)) from None


if workflow.is_main_process:
    remember_command(sys.argv)
    os.environ[RUN_VARIABLE] = token_hex(8)

# How each input file is read, and of how many doubts about that the user is told.
READ_AS = []
MOST_DOUBTS = 10
CONFIG = get_config()
INPUT_FILES = InputFiles(
    CONFIG.output.dir / ".work" / "listing.json",
    begins=workflow.is_main_process,
    # the corpus of a module may be made by another rule
    may_be_made=not workflow.modifier.is_main_snakefile(),
)
LIMITS = get_limits()
PLAN = get_plan()
SETTINGS = complete(config)
# What decides how a file is read. The list of files is not among it: with another one, parts stay what they are.
READING = {key: value for key, value in SETTINGS["corpus"].items() if key not in ("files", "max_rejected")}
if PLAN.files is None:
    FILES = [storage(snakemake_url(name)) if is_remote(name) else name for name in CONFIG.corpus.files]
else:
    FILES = [str(path) for path, _ in PLAN.files]
MADE = GENERATED_CORPUS.parent
OUT = CONFIG.output.dir
WORK = OUT / ".work"
LOGS = WORK / "logs"
BENCHMARKS = WORK / "benchmarks"
JOBS = WORK / "jobs"
refuse_other_owner()
# Without the pipeline no shard is annotated. A GPU begins with the first part that is split; where cores annotate, they
# first split all parts, so that what is wrong with the corpus is known early.
PRIORITY = {"prepare": 3, "number": 2, "split": 1, "annotate": 2 if LIMITS.uses_gpus else 0}
CPU_ENV = "../../envs/cpu.yaml"
GPU_ENV = "../../envs/gpu.yaml"


wildcard_constraints:
    part=r"[^/]+",
    place=r"\d{5}",  # of a part in the corpus
    shard=r"\d{5}",  # of the part in annotate_shard, of the corpus elsewhere


# With --software-deployment-method apptainer: what containers/shardner.def builds, in the run's directory.
container: "shardner.sif"


# Functions, because Snakemake computes a hash of each file in a long list that is given as it is.
def get_results(wildcards):
    """Return the files that a run makes for its user."""
    return list(PLAN.results)


def of_parts(pattern):
    """Return a file for each part, in corpus order."""
    return [str(pattern).format(part=part.name) for part in PLAN.parts]


def of_shards(directory, suffix):
    """Return a file for each shard of each part, in corpus order."""
    return [directory / f"{shard}{suffix}" for part in PLAN.parts for shard in part.shard_names]


def get_part_files(wildcards):
    """Return the files that a part is read from, and that Snakemake knows."""
    return FILES if PLAN.files is None else of_this_machine(get_part_paths(wildcards))


def get_part_paths(wildcards):
    """Return the files that a part is read from, those in a storage among them; None where they come to be in the run."""
    if PLAN.files is None:
        return None
    return [str(stretch.path) for stretch in PLAN.part_by_name[wildcards.part].stretches]


def of_this_machine(paths):
    """Return those files that do not lie in a storage, for which Snakemake would look in vain."""
    return [path for path in paths if not is_stored(Path(path))]


def get_stretches(wildcards):
    """Return where the stretches of a part's files begin and end, in bytes."""
    return [[stretch.start, stretch.stop] for stretch in PLAN.part_by_name[wildcards.part].stretches]


def get_states(wildcards):
    """Return size and time of each file that a part is read from: one that is replaced is read again."""
    if PLAN.files is None or PLAN.is_generated:  # fetched, or made, in the run
        return None
    return [state_of(stretch.path) for stretch in PLAN.part_by_name[wildcards.part].stretches]


def get_pipeline_states(wildcards):
    """Return path, size and time of each file of the pipeline."""
    files = [*source_files(PLAN.source), *code_files(CONFIG.model.code)]
    return [(str(path), *(state_of(path) or ())) for path in files]


def get_part_shards(wildcards):
    """Return how many shards a part has."""
    return PLAN.part_by_name[wildcards.part].shards


def get_checksums(wildcards):
    """Return the checksums of files that lie in several parts, one at the first part of each."""
    cut = [part for part in PLAN.parts if part.begins_cut_file and of_this_machine([part.stretches[0].path])]
    return [WORK / "split" / part.name / "checksum.json" for part in cut]


def get_shards_of_part(wildcards):
    """Return the directory of shards in which a shard of the corpus lies."""
    return WORK / "shards" / PLAN.part_of_shard[wildcards.shard].name


def get_shard_directories(wildcards):
    """Return the directories of shards, in corpus order."""
    return of_parts(WORK / "shards" / "{part}")


def get_manifests(wildcards):
    """Return the manifests of all parts, in corpus order."""
    return of_parts(WORK / "split" / "{part}" / "manifest.json")


def get_drawn(wildcards):
    """Return the documents drawn from all parts, in corpus order."""
    return of_parts(WORK / "split" / "{part}" / "drawn.parquet")


def get_split_rejected(wildcards):
    """Return the records that the split rejected of all parts, in corpus order."""
    return of_parts(WORK / "split" / "{part}" / "rejected.parquet")


def get_entities(wildcards):
    """Return the entities of all shards, in corpus order."""
    return of_shards(WORK / "entities", ".parquet")


def get_documents(wildcards):
    """Return the documents of all shards, in corpus order."""
    return of_shards(WORK / "documents", ".parquet")


def get_rejected(wildcards):
    """Return the rejected documents of all shards, in corpus order."""
    return of_shards(WORK / "rejected", ".parquet")


def get_jobs(wildcards):
    """Return the records of the jobs that annotated, in corpus order."""
    return of_shards(JOBS / "annotate_shard", ".json")


def get_split_jobs(wildcards):
    """Return the records of the jobs that split, in corpus order."""
    return of_parts(JOBS / "split_part" / "{part}.json")


def get_spans(wildcards):
    """Return the spans of all shards, in corpus order, where span groups are asked for."""
    return of_shards(WORK / "spans", ".parquet") if CONFIG.output.spans else []


def get_gone(wildcards):
    """Return what is gone of results and records of shards and parts, where nothing asks for it any more."""
    written = (get_entities, get_documents, get_rejected, get_spans, get_jobs, get_split_jobs)
    return find_gone(WORK, [Path(path) for get in written for path in get(None)])


def with_spans(path):
    """Return a rule's output `spans`, where span groups are asked for."""
    return {"spans": path} if CONFIG.output.spans else {}


def get_findings(wildcards):
    """Return what the verification found, by shard."""
    return [WORK / "verify" / f"{shard}.json" for shard in PLAN.shard_names]


def get_trained_pipeline(wildcards):
    """Return the pipeline that is trained, where the run needs it."""
    return [MADE / "pipeline"] if PLAN.source.kind is SourceKind.TRAINED else []


def get_gold(wildcards):
    """Return the entities of the corpus that is generated, where it is annotated."""
    return [MADE / "gold.parquet"] if PLAN.is_generated else []


def with_signature(function):
    """Keep a function's signature with it: Snakemake asks for it at each job, and it takes a while to find out."""
    function.__signature__ = inspect.signature(function)
    return function


@with_signature
def get_workers(wildcards):
    """Return the workers of an annotate job."""
    return limits.count_workers(LIMITS)


def get_table(name, suffix="parquet"):
    """Return a function that returns the files of a table of results."""
    return lambda wildcards: [OUT / path for path in PLAN.table(name, suffix)]


def get_exported(name):
    """Return a function that returns what an export of a table is made of: all files, or that of a part."""

    def get_files(wildcards):
        place = wildcards.table.partition("part-")[2].partition(".")[0]
        return [OUT / name / f"part-{place}.parquet"] if place else [OUT / path for path in PLAN.table(name)]

    return get_files


def get_merged(wildcards):
    """Return the record of the job that found the tables of results complete."""
    return JOBS / ("merge_parts.json" if CONFIG.output.layout == "file" else "check_dataset.json")


def get_merge_jobs(wildcards):
    """Return the records of the jobs that merged."""
    alone = [JOBS / "merge_part" / f"{place}.json" for place in PLAN.part_places]
    return [get_merged(wildcards), *(alone if CONFIG.output.layout != "file" else [])]


def of_part(get_files):
    """Return a function that returns those files of shards that are of one part, by its place."""

    def get_files_of_part(wildcards):
        first = sum(part.shards for part in PLAN.parts[: int(wildcards.place)])
        return get_files(wildcards)[first : first + PLAN.parts[int(wildcards.place)].shards]

    return get_files_of_part


def get_part_manifest(wildcards):
    """Return the manifest of a part, by its place."""
    return get_manifests(wildcards)[int(wildcards.place)]


def get_part_rejected(wildcards):
    """Return the records that the split rejected of a part, by its place."""
    return get_split_rejected(wildcards)[int(wildcards.place)]


def get_extension_tables(wildcards):
    """Return the entities of all shards, where custom extensions are asked for: all decide about a column's type."""
    return get_entities(wildcards) if any(name.startswith("_.") for name in CONFIG.output.attributes) else []


def get_merge_threads(wildcards):
    """Return the threads of the merge: a core for each part, up to a number."""
    most = limits.MERGE_THREADS
    return min(len(PLAN.parts), most, LIMITS.cores or most)


def get_sample_workers(wildcards):
    """Return the workers that annotate the estimate's sample."""
    return limits.count_sample_workers(LIMITS)


def get_unused(wildcards):
    """Return what lies in the directory of work of parts that the corpus no longer has."""
    return [str(path) for path in find_unused(WORK, {part.name: part.shards for part in PLAN.parts})]


@with_signature
def get_memory_mb(wildcards, threads, attempt):
    """Return the memory that an annotate job asks a cluster for."""
    return limits.annotate_memory_mb(threads, attempt)


def growing(first):
    """Return what a cluster is asked for: `first`, and as much again at each further attempt."""
    return with_signature(lambda wildcards, attempt: first * attempt)
