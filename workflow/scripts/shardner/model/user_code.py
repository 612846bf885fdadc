"""Importing ``model.code``: Python files with components, layers or extensions of the user's own.

Every process that loads the pipeline imports them first. They are found by path, not by name, under a module name that
no other module has and that is the same in every process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from shardner.errors import ModelError


def import_code(paths: Sequence[str]) -> None:
    """Import files in the order given, each once for each content.

    Raises:
        ModelError: a file is not there, or raises while it is imported.
    """
    for path in map(Path, paths):
        try:
            name = _module_name(path)
        except OSError as error:
            raise ModelError(f"model.code: cannot read {path}: {error.strerror}") from error
        if name not in sys.modules:
            _import_file(path, name)


def _module_name(path: Path) -> str:
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + path.read_bytes())
    return f"shardner_model_code_{digest.hexdigest()[:16]}"


def _import_file(path: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"model.code: {path} is not a Python file; its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there while the file is imported
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        del sys.modules[name]
        place = f", line {line}" if (line := _line_in(error, path)) else ""
        raise ModelError(
            f"model.code: {path}{place} cannot be imported: {type(error).__name__}: {error}; "
            f"try it alone:   {sys.executable} {path}"
        ) from error


def _line_in(error: BaseException, path: Path) -> int | None:
    """Return the last line of a file that an error passed through, or where its syntax is wrong."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    found, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            found = step.tb_lineno
        step = step.tb_next
    return found
