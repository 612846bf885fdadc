"""The workflow from a folder of one's own, and as a module of another workflow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from making import ROOT, annotate_plainly, clean_environment, entity_rows, make_pipeline, make_texts, write_jsonl

TEXTS = make_texts(30, seed=17)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("model") / "pipeline")


def snakemake(folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile") -> subprocess.CompletedProcess[str]:
    """Run Snakemake from a folder, as a user types it there."""
    command = [sys.executable, "-m", "snakemake", "-s", str(snakefile), "--cores", "2", *arguments]
    return subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=clean_environment(), timeout=600,
    )  # fmt: skip


def clone_state() -> dict[str, int | None]:
    """Return what a run would change in the clone, if it wrote there."""
    paths = [ROOT / name for name in ("results", ".snakemake", "resources")]
    return {path.name: path.stat().st_mtime_ns if path.exists() else None for path in paths}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data/a.jsonl", TEXTS)
    return tmp_path


def test_a_settings_file_of_ones_own_folder_is_enough(folder: Path, model: Path) -> None:
    (folder / "mine.yaml").write_text(f"corpus: {{files: [data/]}}\nmodel: {{name: {model}}}\n", "utf-8")
    before = clone_state()
    run = snakemake(folder, "--configfile", "mine.yaml")
    assert run.returncode == 0, run.stdout
    assert entity_rows(folder / "results/entities.parquet") == annotate_plainly(model, TEXTS)
    assert "profiles/default" in run.stdout and clone_state() == before
    # the same from elsewhere, by --directory: nothing is left to do
    again = snakemake(folder.parent, "--directory", str(folder), "--configfile", str(folder / "mine.yaml"))
    assert again.returncode == 0 and "Nothing to be done" in again.stdout, again.stdout


@pytest.mark.parametrize("how", ["command line", "config.yaml", "directory"])
def test_settings_may_stand_anywhere(folder: Path, model: Path, how: str) -> None:
    given = ["corpus={files: [data/a.jsonl]}", f"model={{name: {model}}}"]
    where, arguments = folder, ["--config", *given]
    if how == "config.yaml":
        (folder / "config.yaml").write_text(f"corpus: {{files: [data/*.jsonl]}}\nmodel: {{name: {model}}}\n", "utf-8")
        arguments = []
    elif how == "directory":
        where, arguments = folder.parent, ["--directory", str(folder), *arguments]
    run = snakemake(where, "-n", *arguments)
    assert run.returncode == 0, run.stdout
    shown = run.stdout.replace("\xa0", " ")
    assert "1 file (1 .jsonl)" in shown and "read as  JSON lines" in shown
    run = snakemake(where, *arguments)
    assert run.returncode == 0, run.stdout
    assert entity_rows(folder / "results/entities.parquet") == annotate_plainly(model, TEXTS)


@pytest.mark.parametrize("given", ["corpus=data/a.jsonl", "corpus=[data/a.jsonl]", "corpus={files: data/a.jsonl}"])
def test_a_corpus_of_a_wrong_form_is_an_error_in_words(folder: Path, given: str) -> None:
    run = snakemake(folder, "-n", "--config", given)
    assert run.returncode != 0 and "AttributeError" not in run.stdout and "is not allowed" in run.stdout, run.stdout


def test_a_folder_without_settings_does_not_get_the_demo(folder: Path) -> None:
    run = snakemake(folder, "-n")
    assert run.returncode != 0 and "no corpus is named" in run.stdout and "holds no config.yaml" in run.stdout
    assert sorted(path.name for path in folder.iterdir()) in (["data"], [".snakemake", "data"])


UPSTREAM = f"""
configfile: "settings.yaml"

module shardner:
    snakefile: "{ROOT / "Snakefile"}"
    config: config["ner"]

use rule * from shardner exclude all as ner_*

rule summary:
    default_target: True
    input: "results/performance.json"
    output: "summary.txt"
    shell: "PYTHONPATH={ROOT / "workflow/scripts"} {sys.executable} -m shardner.report {{input}} > {{output}}"

rule make_corpus:
    input: "raw.jsonl"
    output: "data/made.jsonl"
    shell: "cp {{input}} {{output}}"
"""


def settings(folder: Path, ner: Mapping[str, Any]) -> None:
    import yaml

    (folder / "settings.yaml").write_text(yaml.safe_dump({"ner": dict(ner)}), "utf-8")
    (folder / "Snakefile").write_text(UPSTREAM, "utf-8")


def install(model: Path, site: Path) -> None:
    """Lay a pipeline out as `spacy package` does, where Python finds it."""
    package = site / "en_same"
    shutil.copytree(model, package / "en_same-1.2.3")
    shutil.copy(model / "meta.json", package / "meta.json")
    (package / "__init__.py").write_text(
        "from spacy.util import load_model_from_init_py\n\n\n"
        "def load(**overrides):\n    return load_model_from_init_py(__file__, **overrides)\n"
    )
    meta = json.loads((model / "meta.json").read_text("utf-8")) | {"name": "same"}
    for path in (package / "meta.json", package / "en_same-1.2.3/meta.json"):
        path.write_text(json.dumps(meta), "utf-8")


def test_a_package_that_is_installed_anew_annotates_nothing_again_in_a_module(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        install(model, folder / name)
    (folder / "two/en_same/meta.json").touch()
    settings(folder, {"corpus": {"files": ["data/a.jsonl"]}, "model": {"name": "en_same"}, "shards": {"count": 2}})
    (folder / "Snakefile").write_text(UPSTREAM.partition("rule make_corpus")[0], "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder / "one"))
    run = snakemake(folder, snakefile=folder / "Snakefile")
    assert run.returncode == 0, run.stdout
    monkeypatch.setenv("PYTHONPATH", str(folder / "two"))
    again = snakemake(folder, snakefile=folder / "Snakefile")
    assert again.returncode == 0 and "Nothing to be done" in again.stdout, again.stdout
    (folder / "two/en_same/en_same-1.2.3/tokenizer").touch()
    (folder / "two/en_same/one_more").write_text("file")
    changed = snakemake(folder, "--dry-run", snakefile=folder / "Snakefile")
    assert changed.stdout.count("Annotating shard") == 2, changed.stdout


def test_another_rule_may_make_the_corpus(tmp_path: Path, model: Path) -> None:
    write_jsonl(tmp_path / "raw.jsonl", TEXTS)
    ner = {"corpus": {"files": ["data/made.jsonl"]}, "model": {"name": str(model)}, "shards": {"count": 3}}
    settings(tmp_path, ner)
    run = snakemake(tmp_path, snakefile=tmp_path / "Snakefile")
    assert run.returncode == 0, run.stdout
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, TEXTS)
    documents = pl.read_parquet(tmp_path / "results/documents.parquet")
    assert documents.height == len(TEXTS) and documents["shard"].n_unique() == 3
    assert "entities in 30 documents" in (tmp_path / "summary.txt").read_text("utf-8").replace("\xa0", " ")
    again = snakemake(tmp_path, snakefile=tmp_path / "Snakefile")
    assert again.returncode == 0 and "Nothing to be done" in again.stdout, again.stdout
    write_jsonl(tmp_path / "raw.jsonl", TEXTS[:20])
    changed = snakemake(tmp_path, snakefile=tmp_path / "Snakefile")
    assert changed.returncode == 0, changed.stdout
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(model, TEXTS[:20])


def test_a_corpus_that_nobody_makes_is_named(tmp_path: Path, model: Path) -> None:
    ner = {"corpus": {"files": ["data/nobody.jsonl"]}, "model": {"name": str(model)}, "shards": {"count": 3}}
    settings(tmp_path, ner)
    run = snakemake(tmp_path, "-n", snakefile=tmp_path / "Snakefile")
    assert run.returncode != 0 and "data/nobody.jsonl" in run.stdout
    settings(tmp_path, {**ner, "shards": {"count": "auto"}})
    run = snakemake(tmp_path, "-n", snakefile=tmp_path / "Snakefile")
    assert run.returncode != 0 and "there is no file data/nobody.jsonl" in run.stdout


def test_snakedeploy_deploys_the_workflow(tmp_path: Path, model: Path) -> None:
    # a copy of what is committed or new, for snakedeploy copies a local repository whole
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    source = tmp_path / "shardner"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    deployed = tmp_path / "analysis"
    command = [str(Path(sys.executable).with_name("snakedeploy")), "deploy-workflow", str(source), str(deployed)]
    subprocess.run([*command, "--tag", "v0.1.0"], check=True, capture_output=True)
    # of a local repository it names the file alone; of one on GitHub the repository too
    snakefile = deployed / "workflow/Snakefile"
    text = snakefile.read_text("utf-8")
    assert text.count('"workflow/Snakefile"') == 1 and "use rule * from shardner" in text
    snakefile.write_text(text.replace('"workflow/Snakefile"', f'"{source / "workflow/Snakefile"}"'), "utf-8")
    write_jsonl(deployed / "corpus.jsonl", TEXTS)
    config = deployed / "config/config.yaml"
    config.write_text(config.read_text("utf-8").replace("en_core_web_sm ", f"{model} "), "utf-8")
    run = snakemake(deployed, snakefile=snakefile)
    assert run.returncode == 0, run.stdout
    assert "profiles/default" in run.stdout
    assert entity_rows(deployed / "results/entities.parquet") == annotate_plainly(model, TEXTS)
    assert (deployed / "config/README.md").is_file() and (deployed / "profiles/slurm/config.yaml").is_file()
