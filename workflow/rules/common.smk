# What the rules share: the settings, and the plan that is made of them. What decides is in shardner.parse.

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
from shardner.data.job_errors import RUN_VARIABLE
from shardner.errors import ShardnerError
from shardner.gpu.device import count_gpus
from shardner.parse import limits
from shardner.parse.command_line import remember_command, remember_reading
from shardner.parse.fingerprint import fingerprint
from shardner.parse.owner import check_owner, name_run
from shardner.parse.overwriting import refuse_foreign_results, refuse_overwriting
from shardner.parse.pipeline_identity import UNKNOWN, identify_pipeline, package_versions
from shardner.parse.pipeline_source import DEMO, SourceKind, code_files, prepares_here
from shardner.parse.run_plan import GENERATED_CORPUS, plan_run
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


def get_identity():
    """Return what is known of the pipeline's content. In a module, another rule may make what lies at a path."""
    code = code_files(CONFIG.model.code)
    if not workflow.modifier.is_main_snakefile() and (code or PLAN.source.kind is not SourceKind.PACKAGE):
        return UNKNOWN
    return identify_pipeline(PLAN.source, code, PREPARED_FILES)


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
PREPARED_FILES = WORK / "prepared.json"
IDENTITY = get_identity()
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
