"""What ended a job, left beside its log for the process that runs the workflow: it shows these messages last, and once.

What a job itself prints drowns in Snakemake's own text, and on a cluster nobody sees it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shardner.data.typed_json import read_json, write_json

#: Names a run, in the environment of its processes.
RUN_VARIABLE = "SHARDNER_RUN"
_SUFFIX = ".error"


class Ending(StrEnum):
    """How a job ended that failed."""

    FOR_GOOD = "for good"  # another attempt would fail like this one
    THIS_TIME = "this time"
    STOPPED = "stopped"  # by Ctrl-C


@dataclass(frozen=True, slots=True)
class JobError:
    """What ended a job.

    Attributes:
        run: names the run.
        ending: how it ended.
        message: for a person; the traceback is in the log.
        log: of the job.
        trace: the traceback; Snakemake removes the log itself before another attempt.
    """

    run: str
    ending: Ending
    message: str
    log: str
    trace: str = ""


def write_error(log: Path, ending: Ending, message: str, trace: str = "") -> None:
    """Leave beside the log of a job what ended it."""
    write_json(_path(log), JobError(os.environ.get(RUN_VARIABLE, ""), ending, message, str(log), trace))


def failed_for_good(log: Path) -> JobError | None:
    """Return the failure of an earlier attempt in this run, if another one would fail in the same way."""
    run, found = os.environ.get(RUN_VARIABLE), _read(_path(log))
    return found if run and found and (found.run, found.ending) == (run, Ending.FOR_GOOD) else None


def forget_error(log: Path) -> None:
    """Remove what an earlier attempt left."""
    _path(log).unlink(missing_ok=True)


def read_errors(logs: Path, run: str) -> Sequence[JobError]:
    """Return what ended jobs of a run, by the names of their logs; a message that several left only once.

    Args:
        logs: the directory of all logs.
        run: names the run.
    """
    found = [each for path in sorted(logs.rglob(f"*{_SUFFIX}")) if (each := _read(path)) and each.run == run]
    return list({each.message: each for each in reversed(found)}.values())[::-1]


def _path(log: Path) -> Path:
    return log.with_name(log.name + _SUFFIX)


def _read(path: Path) -> JobError | None:
    try:
        return read_json(path, JobError)
    except (OSError, ValueError):
        return None
