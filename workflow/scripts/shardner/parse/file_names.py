"""Names of files that Snakemake would take for patterns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shardner.errors import ConfigError


def refuse_patterns(paths: Iterable[Path]) -> None:
    """Refuse paths that Snakemake would take for patterns.

    Raises:
        ConfigError: a path holds one of ``{ } < >``.
    """
    for path in paths:
        if set("{}<>") & set(str(path)):
            raise ConfigError(
                f"{path}: Snakemake takes {{ }} < > in the name of a file for wildcards, and cannot be told otherwise; "
                f"rename it, or link to it under another name"
            )
