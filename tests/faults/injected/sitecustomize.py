"""Damage at a named moment of a run, done by the process that reaches it, which waits for the damage to be done.

Python imports this module in every process whose PYTHONPATH holds this directory; `harness` starts runs like that.
The moments are

- ``begin RULE``: the process of a job of the rule has started, and has done nothing yet;
- ``before PATH``: a file is complete, and about to get its name;
- ``after PATH``: it has just got it.

Paths are relative to the directory of the run. All files of a run get their names in one way (data/files.py), so the
list of these moments is a list of all writes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

_plan = json.loads(os.environ["SHARDNER_FAULT"]) if "SHARDNER_FAULT" in os.environ else None
_replace = os.replace


def _reach(moment: str) -> None:
    """Note that a moment is reached; do the damage the first time that it is the wanted one."""
    with Path(_plan["seen"]).open("a") as seen:
        seen.write(moment + "\n")
    if moment != _plan["moment"]:
        return
    try:
        Path(_plan["reached"]).touch(exist_ok=False)
    except FileExistsError:
        return
    # without the plan: what the damage starts is not disturbed itself
    environment = {key: value for key, value in os.environ.items() if key != "SHARDNER_FAULT"}
    subprocess.run(_plan["damage"], check=False, env=environment)


def _disturbed_replace(source, target, **options):  # type: ignore[no-untyped-def]
    path = os.path.relpath(os.fspath(target), _plan["directory"])
    named = not path.startswith("..") and not path.startswith(".snakemake")
    if named:
        _reach(f"before {path}")
    _replace(source, target, **options)
    if named:
        _reach(f"after {path}")


if _plan is not None:
    os.replace = _disturbed_replace
    # Snakemake runs a copy of an adapter: …/tmp1234.RULE.py
    _script = next((Path(word).name for word in sys.orig_argv[1:] if "/.snakemake/scripts/" in word), None)
    if _script is not None:
        _reach(f"begin {_script.split('.')[1]}")
