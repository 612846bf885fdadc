"""What runs on a push: actions of known owners, targets that the Makefile has, and every Python that is supported."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml
from making import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def jobs_of(path: Any) -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    return jobs


def matrix() -> list[str]:
    (versions,) = [
        job["strategy"]["matrix"]["python-version"]
        for path in WORKFLOWS
        for job in jobs_of(path).values()
        if "strategy" in job
    ]
    found: list[str] = versions
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_use_actions_of_known_owners_by_major_version_and_may_only_read(path: Any) -> None:
    used = [step["uses"] for job in jobs_of(path).values() for step in job["steps"] if "uses" in step]
    assert used and [each for each in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", each)] == []
    assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in jobs_of(path).values())


def test_every_target_that_is_run_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    texts = [path.read_text("utf-8") for path in (*WORKFLOWS, ROOT / ".ci" / "run", ROOT / "CONTRIBUTING.md")]
    run = {name for text in texts for name in re.findall(r"(?:run: |step |`|^)make ([a-z-]+)", text, re.MULTILINE)}
    assert {"lint", "check", "test", "demo", "test-slurm", "test-transformers"} <= run <= targets


def test_all_supported_pythons_are_tested_and_set_up() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    setup = (ROOT / "tools" / "setup.sh").read_text("utf-8")
    assert matrix() == supported
    assert re.findall(r"^(?:oldest|newest)=(\S+)", setup, re.MULTILINE) == [supported[0], supported[-1]]
    assert project["requires-python"] == f">={supported[0]}"
    (tried,) = re.findall(r"for candidate in .*? python3 (.*); do", setup)
    assert tried.split() == [f"python{each}" for each in reversed(supported)]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_of_issues_can_be_read(path: Any) -> None:
    form = yaml.safe_load(path.read_text("utf-8"))
    assert "body" not in form or all({"type", "id", "attributes"} <= set(field) for field in form["body"])
