# What the terminal shows besides Snakemake's own messages: how far the run is, and what came of it.

from snakemake.settings.enums import Quietness

from shardner.terminal.live_line import live_line
from shardner.parse.dry_run import Places, describe_outlook
from shardner.terminal.run_progress import Watch

if workflow.is_main_process and workflow.output_settings.dryrun:
    places = Places(GPUS > 0, get_local_workers(), get_jobs_at_once())
    logger.info(describe_outlook(CONFIG, SOURCE, get_sizes(), COUNT, places))

WATCH = Watch(
    WORK / "split" / "manifest.json",
    JOBS / "annotate_shard",
    lambda line: logger.info(line, extra={"quietness": Quietness.PROGRESS}),
)


onstart:
    if workflow.is_main_process and not workflow.touch:
        shards = [job.wildcards.shard for job in workflow.dag.needrun_jobs() if job.rule.name == "annotate_shard"]
        quiet = workflow.output_settings.quiet or set()
        shows = not {Quietness.PROGRESS, Quietness.ALL} & set(quiet)
        WATCH.start(map(int, shards), live_line(logger.handlers) if shows and shards else None)


onsuccess:
    WATCH.stop()
    ran = {job.rule.name for job in workflow.dag.jobs}
    if "report_performance" in ran and (OUT / "performance.json").is_file():
        from rich.console import Console
        from shardner.report import load_performance, print_summary

        print_summary(load_performance(OUT / "performance.json"), Console(stderr=True), get_results(None)[:5])
    if "add_up_findings" in ran and (OUT / "verify.json").is_file():
        from shardner.stages.verify.findings import read_findings
        from shardner.stages.verify.wording import describe_findings

        logger.info(describe_findings(read_findings(OUT / "verify.json")))
    if "predict_run" in ran and (OUT / "estimate.json").is_file():
        from shardner.stages.estimate.figures import read_estimate
        from shardner.stages.estimate.wording import describe_estimate

        logger.info(describe_estimate(read_estimate(OUT / "estimate.json")))


onerror:
    WATCH.stop()
