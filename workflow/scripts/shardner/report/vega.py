"""Vega, which draws plots, in a process of its own.

Vega is a program in JavaScript, and its engine takes 0.4 s to start: as long as the report is imported and measured.
So a process starts it meanwhile. Nothing else uses a core then, for the report is the last job of a run.

This module imports no other of the package, so that it can be run as a file. As the process it reads specifications in
Vega-Lite, one a line as JSON, and answers each with its SVG, as JSON too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

#: The process that draws, while there is one.
_processes: list[subprocess.Popen[str]] = []


@contextmanager
def vega_started() -> Iterator[None]:
    """Start Vega, and let `to_svg` use it within the block."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,  # Ctrl-C is for this process, which ends the other
    )  # fmt: skip
    _processes.append(process)
    try:
        yield
    finally:
        _processes.remove(process)
        process.kill()
        with suppress(BrokenPipeError), process:  # what it was still asked for cannot be written any more
            pass


def to_svg(specification: dict[str, Any]) -> str:
    """Return the SVG of a specification in Vega-Lite; nothing is fetched from anywhere.

    Raises:
        ValueError: Vega cannot draw it.
    """
    if not _processes:
        return _draw(specification)
    [process] = _processes
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):  # it has ended, and so it does not answer
        print(json.dumps(specification), file=process.stdin, flush=True)
    answer = process.stdout.readline()
    if not answer:
        raise ValueError(f"Vega has ended with the exit code {process.wait()}")
    drawn: dict[str, str] = json.loads(answer)
    if "error" in drawn:
        raise ValueError(drawn["error"])
    return drawn["svg"]


def _draw(specification: dict[str, Any]) -> str:
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(specification, allowed_base_urls=[])
    return svg


def _serve(asked: IO[str], answers: IO[str]) -> None:
    """Draw what is asked for, until there is no more."""
    _draw({"data": {"values": []}, "mark": "bar"})  # starts the engine
    for line in asked:
        try:
            answer = {"svg": _draw(json.loads(line))}
        except ValueError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve(sys.stdin, sys.stdout)
