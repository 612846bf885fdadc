"""What the workflow catalog says of this workflow is what the repository holds."""

from __future__ import annotations

import yaml
from making import ROOT

RULES = "".join(path.read_text("utf-8") for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
IMAGE = ROOT / "containers" / "shardner.def"
USAGE = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text("utf-8"))["usage"]
DEPLOYMENT = USAGE["software-stack-deployment"]


def test_conda_is_offered_because_the_rules_name_environments() -> None:
    assert {DEPLOYMENT["conda"], "conda:" in RULES, (ROOT / "envs" / "cpu.yaml").is_file()} == {True}


def test_apptainer_is_offered_because_the_rules_name_an_image_and_its_definition_is_here() -> None:
    assert {DEPLOYMENT["apptainer"], f'container: "{IMAGE.stem}.sif"' in RULES, IMAGE.is_file()} == {True}


def test_conda_within_the_image_is_not_offered_because_the_image_has_none() -> None:
    assert {DEPLOYMENT["apptainer+conda"], "conda" in IMAGE.read_text("utf-8")} == {False}
