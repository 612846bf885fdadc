"""The rooms of the package: nothing lies beside them, and `make lint` fails where an import runs the wrong way."""

from __future__ import annotations

import re
import tomllib

from making import ROOT

PACKAGE = ROOT / "workflow" / "scripts" / "shardner"
MAP = ROOT / "docs" / "architecture.md"
(CONTRACT,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_nothing_lies_beside_the_rooms_but_config_settings_and_errors() -> None:
    modules = {path.name for path in PACKAGE.glob("*.py")}
    rooms = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert modules == {"__init__.py", "config.py", "errors.py", "settings.py"}
    above_all = ["config", "settings", "errors"]
    assert {*CONTRACT["layers"]} == {*rooms, *above_all} and CONTRACT["layers"][-3:] == above_all


def test_the_map_names_every_module_and_every_decision() -> None:
    rows = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", MAP.read_text("utf-8"), re.MULTILINE)}
    for room in (path.parent for path in PACKAGE.glob("*/__init__.py")):
        for path in (each for each in room.rglob("*.py") if each.name != "__init__.py"):
            inner = path.parent != room and path.parent.name != "fused"
            name = path.parent.name if inner else path.stem  # of a smaller stage, the folder
            assert re.search(rf"`{name}/?`", rows[room.name]), f"{MAP.name} lacks {path.relative_to(PACKAGE)}"
    decisions = MAP.parent / "decisions"
    listed = (decisions / "README.md").read_text("utf-8")
    assert all(f"({path.name})" in listed for path in decisions.glob("0*.md"))


def test_tables_are_opened_in_one_place() -> None:
    """Polars takes a path with brackets for a pattern, unless it is told otherwise; `data.tables` tells it."""
    for path in sorted(PACKAGE.parent.rglob("*.py")):
        opened = re.findall(
            r"\bpl\.(?:scan|read)_(?!parquet_metadata|ipc_stream\(io\.BytesIO)\w+", path.read_text("utf-8")
        )
        assert opened == (["pl.scan_parquet"] if path.name == "tables.py" else []), path
