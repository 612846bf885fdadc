import ast
import shutil
from pathlib import Path

import pytest
from shardner.parse import fingerprint as module
from shardner.parse.fingerprint import fingerprint


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which a test may change."""
    copy = tmp_path / "shardner"
    shutil.copytree(module.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", copy)
    return copy


def change(path: Path) -> None:
    path.write_text(path.read_text("utf-8") + "\n# changed\n", encoding="utf-8")
    module._imports.cache_clear()


def test_a_change_of_an_imported_module_changes_the_fingerprint(package: Path) -> None:
    before = fingerprint("shardner.annotate.job")
    change(package / "engine" / "stock.py")  # reached through worker and select
    assert fingerprint("shardner.annotate.job") != before


def test_a_change_of_the_report_does_not_redo_the_annotation(package: Path) -> None:
    rules = ("shardner.annotate.job", "shardner.stages.split", "shardner.stages.merge")
    before = [fingerprint(rule) for rule in rules]
    report = fingerprint("shardner.report")
    change(package / "report" / "advice.py")
    assert [fingerprint(rule) for rule in rules] == before
    assert fingerprint("shardner.report") != report


def test_a_change_of_the_page_writes_the_report_again(package: Path) -> None:
    before = fingerprint("shardner.report")
    change(package / "report" / "report.css")
    assert fingerprint("shardner.report") != before


def test_a_change_of_the_reader_does_not_redo_the_pipeline(package: Path) -> None:
    before = fingerprint("shardner.model.pipeline")
    change(package / "corpus" / "__init__.py")
    assert fingerprint("shardner.model.pipeline") == before


def test_every_import_is_found_that_a_parser_finds() -> None:
    for path in sorted(module.PACKAGE.rglob("*.py")):
        source = path.read_text("utf-8")
        assert imports_by_parser(source) <= set(module._imported_names(source)), path


def imports_by_parser(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    named = {node.module for node in froms} | {f"{node.module}.{name.name}" for node in froms for name in node.names}
    return {name for name in plain | named if name and name.startswith("shardner.")}
