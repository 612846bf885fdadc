"""Write down the functions of CuPy, and what their parameters are called, for the stand-in that tests use.

    pip install --no-deps --target FOLDER cupy-cuda13x==14.2.0 cuda-pathfinder
    PYTHONPATH=FOLDER python tools/list_cupy.py >tests/fakes/cupy/cupy/signatures.json

CuPy can be imported where there is no driver and no CUDA. What is compiled has no signature for `inspect`; its
docstring begins with one. Where there is neither, the list has null.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable
from typing import Any


def parameters(function: Callable[..., Any]) -> list[str] | None:
    """Return the names of a function's parameters, ``*`` and ``**`` before those that take any number."""
    try:
        found = inspect.signature(function).parameters.values()
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        return [stars.get(each.kind, "") + each.name for each in found]
    except (TypeError, ValueError):
        written = re.match(r"[\w.]+\((.*?)\)(?: ->|\s|$)", (function.__doc__ or "").lstrip(), re.DOTALL)
        return None if written is None else [name for each in split(written[1]) if (name := bare(each))]


def split(text: str) -> list[str]:
    """Cut parameters at commas that are not within brackets."""
    return re.split(r",(?![^(\[]*[)\]])", text.replace("\\", ""))


def bare(parameter: str) -> str:
    """Return a parameter's name without its type and default; nothing for ``self``, ``/`` and ``*`` alone."""
    name = parameter.partition("=")[0].partition(":")[0].strip().split(" ")[-1]
    return "" if name in ("self", "/", "*", "") else name


def main() -> None:
    """Print the list as JSON."""
    import cupy

    listed = {
        kind: {
            name: parameters(value)
            for name, value in sorted(vars(holder).items())
            if callable(value) and not name.startswith("_")
        }
        for kind, holder in (("functions", cupy), ("methods", cupy.ndarray.__mro__[1]))
    }
    json.dump({"version": cupy.__version__, **listed}, sys.stdout, indent=0)
    print()


if __name__ == "__main__":
    main()
