"""The rooms of the package: nothing lies beside them, and `make lint` fails where an import runs the wrong way."""

from __future__ import annotations

import tomllib

from making import ROOT

PACKAGE = ROOT / "workflow" / "scripts" / "shardner"
(CONTRACT,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_nothing_lies_beside_the_rooms_but_config_and_errors() -> None:
    modules = {path.name for path in PACKAGE.glob("*.py")}
    rooms = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert modules == {"__init__.py", "config.py", "errors.py"}
    assert {*CONTRACT["layers"]} == rooms | {"config", "errors"} and CONTRACT["layers"][-2:] == ["config", "errors"]
