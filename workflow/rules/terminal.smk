# What the terminal shows besides Snakemake's own messages: how far the run is, and what came of it.

import atexit
import os

from snakemake.settings.enums import Quietness


def show_plan():
    """Show the plan of a dry run, and how many shards it keeps."""
    from shardner.parse.dry_run import describe_plan

    if workflow.dag is None or Quietness.ALL in (workflow.output_settings.quiet or ()):
        return
    annotated = [job for job in workflow.dag.jobs if job.rule.name == "annotate_shard"]
    new = sum(map(workflow.dag.needrun, annotated)) if annotated else None
    stream = sys.stdout if workflow.output_settings.stdout else sys.stderr
    print("", describe_plan(PLAN, LIMITS, new, READ_AS), sep="\n", file=stream)


# Snakemake runs no hook in a dry run. At the exit the plan stands last, and it is known what is to be done.
if workflow.is_main_process and workflow.output_settings.dryrun:
    atexit.register(show_plan)


def show_where(directory):
    """Say where the results are, where a run had nothing to do."""
    if workflow.dag is None or REPORTERS or any(True for _ in workflow.dag.needrun_jobs()):
        return
    if any(job.rule.name == "report_performance" for job in workflow.dag.jobs):
        if (directory / OUT / "report.html").is_file():
            print(f"The results are complete: {OUT / 'report.html'}", file=sys.stderr)


def show_errors(directory):
    """Show why a run ended before its end: what its jobs said, each message once.

    At the exit Snakemake may have left `directory`, in which the run was.
    """
    from shardner.data.job_errors import RUN_VARIABLE, Ending, read_errors

    errors = read_errors(directory / LOGS, os.environ[RUN_VARIABLE])
    if any(error.ending == Ending.STOPPED for error in errors):
        done = sum((directory / path).is_file() for path in get_jobs(None))
        print(
            f"\nStopped: {done} of {PLAN.shards} shards are done. The same command goes on from here.", file=sys.stderr
        )
        return
    for error in errors:
        print(f"\n{error.message}\n  (log: {error.log})", file=sys.stderr)


# At the exit, because Snakemake has its own last words after a failure.
if workflow.is_main_process and not workflow.output_settings.dryrun:
    atexit.register(show_errors, Path.cwd())
    if Quietness.ALL not in (workflow.output_settings.quiet or ()):
        atexit.register(show_where, Path.cwd())

# Filled when the first job starts, so that a run with nothing to do, and the process of a job, import less.
REPORTERS = []


onstart:
    if workflow.is_main_process and not workflow.touch:
        from shardner.data.files import keep_copy, scratch_parent
        from shardner.data.leftovers import remove_leftovers
        from shardner.parse.kept_sizes import keep_sizes
        from shardner.parse.owner import take
        from shardner.terminal.live_line import live_line
        from shardner.terminal.progress_reporter import ProgressReporter
        from shardner.terminal.run_progress import ExpectedPart

        try:
            take(OUT, get_run_name())
        except ShardnerError as error:
            raise WorkflowError(str(error)) from None
        except OSError as error:
            raise WorkflowError(f"DiskError: {describe_disk_error(error, [OUT]) or error}") from None
        INPUT_FILES.keep()
        remove_leftovers(OUT, scratch_parent())
        if any(job.rule.name == "report_performance" for job in workflow.dag.needrun_jobs()):
            keep_copy(OUT / "performance.json", LAST_PERFORMANCE)
        jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "annotate_shard"]
        shards = [f"{job.wildcards.part}/{job.wildcards.shard}" for job in jobs]
        if shards and PLAN.sizes is not None:
            keep_sizes(OUT, PLAN.sizes)
        shows = not {Quietness.PROGRESS, Quietness.ALL} & set(workflow.output_settings.quiet or ())
        reporter = ProgressReporter(
            WORK / "split",
            JOBS / "annotate_shard",
            {part.name: ExpectedPart(part.chars, part.shards) for part in PLAN.parts},
            lambda line: logger.info(line, extra={"quietness": Quietness.PROGRESS}),
        )
        REPORTERS.append(reporter)
        reporter.start(shards, live_line(logger.handlers) if shows and shards else None)


onsuccess:
    for reporter in REPORTERS:
        reporter.stop()
    ran = {job.rule.name for job in workflow.dag.jobs}
    quiet = Quietness.ALL in (workflow.output_settings.quiet or ())
    if "report_performance" in ran and not quiet and (OUT / "performance.json").is_file():
        from rich.console import Console
        from shardner.report.performance_file import load_performance
        from shardner.report.summary import print_summary

        print_summary(load_performance(OUT / "performance.json"), Console(stderr=True), PLAN.shown_results)
    if "add_up_findings" in ran and (OUT / "verify.json").is_file():
        from shardner.data.typed_json import read_json
        from shardner.stages.verify.findings import Findings
        from shardner.stages.verify.wording import describe_findings

        logger.info(describe_findings(read_json(OUT / "verify.json", Findings)))
        if (WORK / "check" / "pipeline.json").is_file():
            from shardner.data.pipeline_check import PipelineCheck
            from shardner.stages.whole_pipeline.wording import describe_check

            logger.info(describe_check(read_json(WORK / "check" / "pipeline.json", PipelineCheck)))
    if "remove_unused" in ran and (WORK / "tidied.json").is_file():
        from shardner.data.typed_json import read_json
        from shardner.stages.tidy import Tidied, describe_tidied

        logger.info(describe_tidied(read_json(WORK / "tidied.json", Tidied), WORK))
    if "predict_run" in ran and (OUT / "estimate.json").is_file():
        from shardner.data.typed_json import read_json
        from shardner.stages.estimate.figures import Estimate
        from shardner.stages.estimate.wording import describe_estimate

        logger.info(describe_estimate(read_json(OUT / "estimate.json", Estimate)))


onerror:
    for reporter in REPORTERS:
        reporter.stop()
