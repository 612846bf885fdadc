"""What Snakemake has to import to parse the workflow: every process of a run does, on a cluster twice per job."""

import json
import re
import subprocess
import sys

from making import ROOT, clean_environment

#: Slow to import, and of no use before a job runs.
HEAVY = {
    "cupy", "jinja2", "numpy", "pandas", "polars", "pynvml", "rich", "spacy", "thinc", "vl_convert",
    "shardner.annotate", "shardner.demo", "shardner.engine", "shardner.model", "shardner.report", "shardner.stages",
}  # fmt: skip


def test_neither_a_job_nor_the_summary_imports_what_it_has_no_use_for() -> None:
    """A job checks no settings, and the summary draws no plots."""
    program = """
import json, sys
from shardner.config import read_config
read_config({"corpus": {"files": ["a.jsonl"]}})
import shardner.annotate.worker, shardner.stages.split, shardner.stages.merge, shardner.stages.number_documents
from shardner.report.performance_file import load_performance
from shardner.report.summary import print_summary
print(json.dumps(sorted(sys.modules)))
"""
    environment = clean_environment() | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert not {"jinja2", "jsonschema", "spacy", "vl_convert"} & set(json.loads(run.stdout))


def test_a_parse_imports_nothing_heavy() -> None:
    paths = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
    # those in functions and hooks are indented: they run later, or in the main process alone
    lines = [
        line for path in paths for line in re.findall(r"^(?:from|import) .*", path.read_text("utf-8"), re.MULTILINE)
    ]
    ours = [line for line in lines if "shardner" in line]
    assert len(ours) > 5
    program = "\n".join(["import json, sys", *ours, "print(json.dumps(sorted(sys.modules)))"])
    environment = clean_environment() | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    imported = set(json.loads(run.stdout))
    assert "shardner.parse.run_plan" in imported and not imported & HEAVY
