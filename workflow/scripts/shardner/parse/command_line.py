"""The command line of a run, and how its input is read, for its provenance.

Jobs are processes of their own with other command lines, and do not look at the input as the first parse does. So what
that knows is passed on in variables of the environment.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

VARIABLE = "SHARDNER_COMMAND"
READING_VARIABLE = "SHARDNER_READING"

#: An option or a setting whose value may be a secret: --storage-s3-secret-key, token=…
_SECRET = re.compile(r"(key|secret|token|passw|credential)", re.IGNORECASE)
_ASSIGNED = re.compile(r"^(--?[\w-]+|[\w.-]+)=(.*)$", re.DOTALL)
#: The user and the password of https://user:password@host
_USER = re.compile(r"(?<=://)[^/@\s]+@")
HIDDEN = "[hidden]"


def remember_command(arguments: Sequence[str]) -> None:
    """Put the command line into the environment, where the processes that this one starts find it."""
    os.environ[VARIABLE] = describe_command(arguments)


def recall_command() -> str | None:
    """Return the command line that started the run; None where it is not known."""
    return os.environ.get(VARIABLE)


def remember_reading(ways: str) -> None:
    """Put how the input files are read into the environment."""
    os.environ[READING_VARIABLE] = ways


def recall_reading() -> str | None:
    """Return how the input files are read; None where it is not known."""
    return os.environ.get(READING_VARIABLE)


def describe_command(arguments: Sequence[str]) -> str:
    """Return a command line as one would type it; values that may be secrets are hidden."""
    name, *rest = arguments or ("snakemake",)
    shown, hide = ["snakemake" if name.endswith(("snakemake", "__main__.py")) else name], False
    for argument in rest:
        assigned = _ASSIGNED.match(argument)
        if hide and not argument.startswith("--"):
            argument = HIDDEN
        elif assigned and _SECRET.search(assigned[1]):
            argument = f"{assigned[1]}={HIDDEN}"
        hide = bool(argument.startswith("--") and not assigned and _SECRET.search(argument))
        shown.append(_USER.sub(f"{HIDDEN}@", argument))
    return shlex.join(shown).replace(f"'{HIDDEN}'", HIDDEN)
