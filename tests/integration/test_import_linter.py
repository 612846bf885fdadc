"""The linter of imports fails where an import runs the wrong way, or where a module lies beside the rooms."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from making import ROOT

pytest.importorskip("importlinter")

LINTER = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("data/tables.py", "", "1 kept, 0 broken"),
        ("data/tables.py", "import shardner.report.svg", "shardner.data is not allowed to import shardner.report"),
        (
            "config.py",
            "def f(): from shardner.parse import plan",
            "shardner.config is not allowed to import shardner.parse",
        ),
        ("helpers.py", "", "The following modules are not listed as layers"),
    ],
)
def test_an_import_that_runs_the_wrong_way_is_an_error(module: str, line: str, said: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "workflow" / "scripts" / "shardner", tmp_path / "shardner")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "shardner" / module).open("a") as source:
        source.write(f"\n{line}\n")
    done = subprocess.run(
        [sys.executable, "-c", LINTER, "--no-cache"],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert (done.returncode == 0) == (not line and module != "helpers.py"), done.stdout
    assert said in done.stdout
