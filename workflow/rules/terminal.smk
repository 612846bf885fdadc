# What the terminal shows besides Snakemake's own messages: how far the run is, and what came of it.

from snakemake.settings.enums import Quietness

if workflow.is_main_process and workflow.output_settings.dryrun:
    from shardner.parse.dry_run import describe_plan

    logger.info(describe_plan(PLAN, LIMITS))

# Filled when the first job starts, so that a run with nothing to do, and the process of a job, import less.
REPORTERS = []


onstart:
    if workflow.is_main_process and not workflow.touch:
        from shardner.terminal.live_line import live_line
        from shardner.terminal.progress_reporter import ProgressReporter

        shards = [
            int(job.wildcards.shard) for job in workflow.dag.needrun_jobs() if job.rule.name == "annotate_shard"
        ]
        shows = not {Quietness.PROGRESS, Quietness.ALL} & set(workflow.output_settings.quiet or ())
        reporter = ProgressReporter(
            WORK / "split" / "manifest.json",
            JOBS / "annotate_shard",
            lambda line: logger.info(line, extra={"quietness": Quietness.PROGRESS}),
        )
        REPORTERS.append(reporter)
        reporter.start(shards, live_line(logger.handlers) if shows and shards else None)


onsuccess:
    for reporter in REPORTERS:
        reporter.stop()
    ran = {job.rule.name for job in workflow.dag.jobs}
    if "report_performance" in ran and (OUT / "performance.json").is_file():
        from rich.console import Console
        from shardner.report import load_performance, print_summary

        print_summary(load_performance(OUT / "performance.json"), Console(stderr=True), get_results(None)[:5])
    if "add_up_findings" in ran and (OUT / "verify.json").is_file():
        from shardner.data.typed_json import read_json
        from shardner.stages.verify.findings import Findings
        from shardner.stages.verify.wording import describe_findings

        logger.info(describe_findings(read_json(OUT / "verify.json", Findings)))
    if "predict_run" in ran and (OUT / "estimate.json").is_file():
        from shardner.data.typed_json import read_json
        from shardner.stages.estimate.figures import Estimate
        from shardner.stages.estimate.wording import describe_estimate

        logger.info(describe_estimate(read_json(OUT / "estimate.json", Estimate)))


onerror:
    for reporter in REPORTERS:
        reporter.stop()
