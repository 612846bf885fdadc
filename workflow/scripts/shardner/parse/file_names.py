"""Names of files that Snakemake would take for patterns, or that would act on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from shardner.errors import ConfigError
from shardner.terminal.visible_text import one_line

#: Characters that act on a terminal, or turn the order of those around them.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def refuse_patterns(paths: Iterable[Path]) -> None:
    """Refuse paths that Snakemake would take for patterns, or print as they are though a terminal obeys them.

    Raises:
        ConfigError: a path holds one of ``{ } < >``, or a control character.
    """
    for path in paths:
        if _CONTROLS.search(str(path)):
            raise ConfigError(
                f"{one_line(str(path), 300)}: a name with control characters, which would act on the terminal; rename "
                f"it, or link to it under another name"
            )
        if set("{}<>") & set(str(path)):
            raise ConfigError(
                f"{path}: Snakemake takes {{ }} < > in the name of a file for wildcards, and cannot be told otherwise; "
                f"rename it, or link to it under another name"
            )
