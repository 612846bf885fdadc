# Shardner: named-entity recognition with spaCy over a corpus of any size, on every device there is.
#
#   snakemake --cores 8 --resources gpu=4
#
# The corpus is split into shards, each shard is annotated by one job on one device of its own, and the results are
# merged in corpus order. Settings: config.yaml, of this directory or of yours. Everything else: README.md.

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"
include: "workflow/rules/files.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/prepare_model.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/annotate.smk"
include: "workflow/rules/merge.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/verify.smk"
include: "workflow/rules/estimate.smk"
include: "workflow/rules/tidy.smk"
include: "workflow/rules/terminal.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        get_results,
        get_gone,
    message:
        "The results are complete"
