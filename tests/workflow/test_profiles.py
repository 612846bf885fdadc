"""The profiles: each key explained, and none that Snakemake and the plugin for Slurm do not know."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from making import ROOT, clean_environment

PROFILES = sorted((ROOT / "profiles").glob("*/config.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_key_of_a_profile_carries_a_line(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"[a-z][a-z-]*:", line)]
    assert keys and [lines[number] for number in keys if not lines[number - 1].startswith("# ")] == []


def test_every_key_is_an_option() -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    command = [sys.executable, "-m", "snakemake", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=clean_environment()).stdout
    options = set(re.findall(r"--([a-z][a-z-]*)", text))
    for path in PROFILES:
        assert set(yaml.safe_load(path.read_text("utf-8"))) <= options, path


def test_the_examples_say_what_the_profile_for_slurm_says_where_they_do_not_differ() -> None:
    slurm, *others = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text("utf-8"))
        for name in ("slurm", "slurm-gres", "slurm-many")
    )
    for other in others:
        common = set(slurm) & set(other) - {"set-resources"}
        assert {key: other[key] for key in common} == {key: slurm[key] for key in common}
