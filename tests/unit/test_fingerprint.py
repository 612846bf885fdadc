from __future__ import annotations

import ast
import io
import re
import shutil
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import ROOT
from shardner.parse.fingerprint import SCRIPTS, SourceTree, fingerprint, imported_names, strip_source

#: Whether modules that only display count, by rule, as the rules say themselves.
RULES = {
    match["rule"]: match["display"] is not None
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for match in re.finditer(
        r'code=fingerprint\("(?P<rule>\w+)"(?P<display>, display=True)?\)', path.read_text("utf-8")
    )
}
SOURCES = {
    ".".join(path.relative_to(SCRIPTS).with_suffix("").parts).removesuffix(".__init__"): path.read_text("utf-8")
    for path in sorted(SCRIPTS.rglob("*.py"))
}
#: What may have a docstring.
HEADED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def fingerprints(scripts: SourceTree | Path) -> dict[str, str]:
    """Return the fingerprints of all rules of the workflow, of a tree or of one that is read anew."""
    tree = scripts if isinstance(scripts, SourceTree) else SourceTree(scripts)
    return {rule: tree.fingerprint(rule, display=display) for rule, display in RULES.items()}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A copy of the adapters and of the package, which a test may change."""
    return Path(shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__")))


def module_path(scripts: Path, name: str) -> Path:
    base = scripts.joinpath(*name.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def modules_by_parser(rule: str, display: bool) -> set[str]:
    """Return the modules that count for a rule, by Python's own parser."""
    reached: set[str] = set()
    waiting = {rule}
    while waiting:
        name = waiting.pop()
        if name not in reached and (display or name.split(".")[:2] != ["shardner", "terminal"]):
            reached.add(name)
            waiting |= {part for each in imports_by_parser(SOURCES[name]) for part in with_parents(each)}
    return reached


def with_parents(name: str) -> Iterator[str]:
    while name:
        if name in SOURCES and name != "shardner":
            yield name
        name = name.rpartition(".")[0]


def imports_by_parser(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, HEADED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


def test_the_rules_and_their_modules_were_found() -> None:
    assert len(RULES) > 12 and len(SOURCES) > 100 and "shardner.engine.fused" in SOURCES
    assert [rule for rule, display in RULES.items() if display] == ["report_performance"]


def test_stripping_leaves_the_code_of_a_module_and_nothing_else() -> None:
    for name, source in SOURCES.items():
        stripped = strip_source(source)
        assert without_docstrings(stripped) == without_docstrings(source), name
        tokens = list(tokenize.generate_tokens(io.StringIO(stripped).readline))
        assert not [each for each in tokens if each.type == tokenize.COMMENT], name
        assert not [each for each in tokens[1:] if each.type == tokenize.NL and not each.line.strip()], name
        assert not any(ast.get_docstring(node) for node in ast.walk(ast.parse(stripped)) if isinstance(node, HEADED))


def test_the_imports_found_are_those_that_the_parser_finds() -> None:
    for name, source in SOURCES.items():
        found = {each for each in imported_names(strip_source(source)) if each.partition(".")[0] in SOURCES}
        assert found == {each for each in imports_by_parser(source) if each.partition(".")[0] in SOURCES}, name


PLAIN = '''\
import a.b
class Empty(Exception):
    pass
def first(x):
    return "# no comment", {"key": x}
def second():
    text = """
    a line, and a blank one

    # no comment either
    """
    def inner():
        return 'it\\'s'
    return text
'''
COMMENTED = '''\
#!/usr/bin/env python
# A licence.

"""A module with "quotes", \\"escapes\\", and a colon:

    from shardner import nothing
"""
# A comment.

import a.b   # another one


class Empty(Exception):
    # before
    pass  # behind


def first(x):  # noqa: D103

    r"""Do \\d something."""  # after

    # a comment that is indented otherwise
  # and another one
    return "# no comment", {"key": x}\x20\x20


def second():
    """Do it.

    Raises:
        nothing:
    """
    text = """
    a line, and a blank one

    # no comment either
    """
    def inner():
        """Say: \'\'\'it\'\'\'."""

        return 'it\\'s'

    return text
'''


def test_comments_docstrings_blank_lines_and_spaces_at_the_end_count_for_nothing() -> None:
    assert strip_source(COMMENTED) == strip_source(PLAIN)
    assert without_docstrings(COMMENTED) == without_docstrings(PLAIN)  # what the test itself has to keep


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('# no comment"', '# a comment"'),
        ("    a line, and a blank one\n\n", "    a line, and a blank one\n"),
        ("    # no comment either\n", ""),
        ("        return 'it", "    return 'it"),
        ('"key": x', '"key": y'),
    ],
)
def test_strings_and_indentation_are_code(before: str, after: str) -> None:
    assert before in PLAIN
    assert strip_source(PLAIN.replace(before, after)) != strip_source(PLAIN)


@pytest.mark.parametrize("rule", RULES)
def test_every_module_that_an_adapter_reaches_counts(rule: str) -> None:
    assert SourceTree(SCRIPTS).reach(rule, display=RULES[rule]) == modules_by_parser(rule, RULES[rule])


def test_a_change_of_code_changes_the_fingerprints_of_just_the_rules_that_reach_it(scripts: Path) -> None:
    tree = SourceTree(scripts)
    before = fingerprints(tree)
    assert len(set(before.values())) == len(RULES)
    assert before["annotate_shard"] == fingerprint("annotate_shard")
    reached = {rule: modules_by_parser(rule, display) for rule, display in RULES.items()}
    for name in sorted(set().union(*reached.values())):
        path = module_path(scripts, name)
        path.write_text(SOURCES[name] + "\nchanged = True\n", "utf-8")
        kept = tree._modules.pop(name)  # all others need not be read again
        after = fingerprints(tree)
        assert {rule for rule in RULES if after[rule] != before[rule]} == {
            rule for rule in RULES if name in reached[rule]
        }, name
        tree._modules[name] = kept


def test_a_change_of_comments_and_docstrings_changes_no_fingerprint(scripts: Path) -> None:
    before = fingerprints(scripts)
    for path in scripts.rglob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        if lines and lines[0].startswith('"""'):
            lines[0] = '"""Reworded. ' + lines[0].removeprefix('"""')
        path.write_text("# A comment: what else.\n\n" + "\n".join(lines) + "   # the end\n\n", "utf-8")
    assert fingerprints(scripts) == before


def test_modules_that_only_display_count_for_the_report_alone(scripts: Path) -> None:
    before = fingerprints(scripts)
    for path in (scripts / "shardner" / "terminal").glob("*.py"):
        path.write_text(path.read_text("utf-8") + "\nchanged = True\n", "utf-8")
    after = fingerprints(scripts)
    assert {rule for rule in RULES if after[rule] != before[rule]} == {"report_performance"}


def test_a_change_of_the_page_writes_the_report_again(scripts: Path) -> None:
    before = fingerprints(scripts)
    style = scripts / "shardner" / "report" / "report.css"
    style.write_text(style.read_text("utf-8") + "/* changed */\n", "utf-8")
    after = fingerprints(scripts)
    assert {rule for rule in RULES if after[rule] != before[rule]} == {"report_performance"}


def test_a_new_version_with_the_same_code_redoes_nothing(scripts: Path) -> None:
    before = fingerprints(scripts)
    (scripts / "shardner" / "__init__.py").write_text('"""Shardner."""\n\n__version__ = "9.9.9"\n', "utf-8")
    assert fingerprints(scripts) == before
