"""What Snakemake has to import to parse the workflow: every process of a run does, on a cluster twice per job."""

import json
import re
import subprocess
import sys

from making import ROOT, clean_environment

#: Slow to import, and of no use before a job runs.
HEAVY = {
    "altair", "cupy", "jinja2", "numpy", "pandas", "polars", "pynvml", "rich", "spacy", "thinc", "vl_convert",
    "shardner.annotate", "shardner.demo", "shardner.engine", "shardner.model", "shardner.report", "shardner.stages",
}  # fmt: skip


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
