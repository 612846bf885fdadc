"""What every rule must have."""

import ast
import re

import pytest
from making import ROOT

RULES = {
    match["name"]: match["body"]
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for match in re.finditer(r"^rule (?P<name>\w+):\n(?P<body>(?:(?: +.*)?\n)+)", path.read_text("utf-8"), re.MULTILINE)
}
#: Names for files that users ask for: rules that do nothing themselves.
TARGETS = {name: body for name, body in RULES.items() if "    output:" not in body}
JOBS = {name: body for name, body in RULES.items() if name not in TARGETS}
SCRIPTS = ROOT / "workflow" / "scripts"


def test_the_rules_were_found() -> None:
    assert {"prepare_model", "split_part", "number_documents", "annotate_shard", "merge_parts"} <= set(JOBS)
    assert set(TARGETS) == {"verify", "estimate", "tidy"}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_only_names_a_file(name: str) -> None:
    assert re.findall(r"^    (\w+):", TARGETS[name], re.MULTILINE) == ["input", "message"]


@pytest.mark.parametrize("name", JOBS)
def test_a_rule_has_everything_that_a_rule_has(name: str) -> None:
    for directive in ("output", "log", "benchmark", "threads", "resources", "conda", "params", "message", "script"):
        assert f"    {directive}:" in RULES[name], f"rule {name} has no {directive}"
    assert f'"../scripts/{name}.py"' in RULES[name]
    assert re.fullmatch(r"[a-z]+_[a-z_]+", name)


@pytest.mark.parametrize("name", JOBS)
def test_a_rule_runs_again_after_a_change_of_the_code_that_its_own_adapter_runs(name: str) -> None:
    (found,) = re.findall(r"^        code=fingerprint\((.*)\),$", RULES[name], re.MULTILINE)
    assert found.removesuffix(", display=True") == f'"{name}"'


@pytest.mark.parametrize("name", JOBS)
def test_an_adapter_is_short_and_imports_neither_snakemake_nor_decides(name: str) -> None:
    source = (SCRIPTS / f"{name}.py").read_text("utf-8")
    tree = ast.parse(source)
    nodes = {type(node) for node in ast.walk(tree)}
    assert not nodes & {ast.For, ast.While, ast.FunctionDef, ast.ClassDef, ast.Try}
    assert source.count("\n") <= 36 and "import snakemake" not in source


def test_the_package_never_imports_snakemake() -> None:
    for path in sorted((SCRIPTS / "shardner").rglob("*.py")):
        assert not re.search(r"^\s*(from|import) snakemake", path.read_text("utf-8"), re.MULTILINE), path


def test_only_annotation_asks_for_a_gpu_and_no_rule_fixes_its_retries() -> None:
    assert [name for name, body in RULES.items() if "gpu=" in body] == ["annotate_shard", "measure_sample"]
    assert not any("retries:" in body for body in RULES.values())


def test_the_snakefile_is_a_contents_page() -> None:
    source = (ROOT / "Snakefile").read_text("utf-8")
    assert source.count("\n") <= 45 and "def " not in source
