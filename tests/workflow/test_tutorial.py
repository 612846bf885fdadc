"""The tutorial, followed to the letter in an empty home."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import duckdb
import polars as pl
from making import ROOT

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "shardner").symlink_to(ROOT)
    folder = home / "novels"
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    outputs, exports = list[str](), list[str]()

    def run(commands: str, where: Path) -> str:
        shell = ["bash", "-euo", "pipefail", "-c", commands]
        done = subprocess.run(shell, cwd=where, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return (done.stdout + done.stderr).replace("\xa0", " ")

    blocks = BLOCK.findall((ROOT / "docs/tutorial.md").read_text("utf-8"))
    for number, (kind, text) in enumerate(blocks):
        if kind == "console":
            # the first one ends in a shell with the environment, in which the others go on
            text = "\n".join(line for line in text.splitlines() if not line.startswith("source "))
            outputs.append(run(text, folder if number else home))
            exports += [path.name for path in folder.glob("results/*.json*") if path.stat().st_size > 10_000]
        elif kind == "yaml":
            (folder / "config.yaml").write_text(text, "utf-8")
        elif kind == "sql":
            rows = duckdb.sql(text.replace("'results/", f"'{folder}/results/")).fetchall()
            assert len(rows) == 7 and rows[0][1:] == ("Bennet", 13), rows
        elif kind == "python":
            assert run(f"python - <<'END'\n{text}END\n", folder).count("\n") == 5
    plan, first, redacted, reviewed, more, checked = outputs[1:]
    assert "The plan:" in plan and "7 files" in plan
    assert " in 7 documents" in first and "identical" in first
    assert "annotate_shard" not in redacted.partition("Job stats")[2].partition("total")[0], redacted
    assert {"redacted.jsonl", "prodigy.jsonl", "labelstudio.json"} <= set(exports) and "annotate_shard" not in reviewed
    assert " in 8 documents" in more and "verified 8 documents (100 %), 8 identical" in checked, checked
    assert pl.read_parquet(folder / "results/documents.parquet").height == 8


def test_links_within_the_documents_lead_somewhere() -> None:
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    pages += [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "tests/data/README.md", ROOT / "config/README.md"]
    broken = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            there = (page.parent / path).resolve() if path else page
            if not there.exists():
                broken.append(f"{page.name}: {target}")
            elif anchor and anchor not in list_anchors(there):
                broken.append(f"{page.name}: {target}, of {sorted(list_anchors(there))}")
    assert broken == []


#: Messages that others write: YAML, JSON Schema, spaCy, Snakemake, the shell.
OTHERS = (
    "mapping values are not allowed",
    "did not find expected",
    "is not of type",
    "E893",
    "Directory cannot be locked",
)


def test_the_messages_that_are_explained_are_those_of_the_code() -> None:
    files = [path for path in (ROOT / "workflow").rglob("*") if path.suffix in (".py", ".smk")]
    code = "".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8")) for path in files)
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    said = [message for line in rows for message in re.findall(r"`([^`]+)`", line.split("|")[1])]
    parts = [part.strip() for message in said for part in re.split("…|'[^']*'", message)]
    parts = [part for part in parts if len(part) > 12 and not part.startswith(OTHERS)]
    assert len(parts) > 12 and [part for part in parts if part not in code] == []


def list_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub names them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
