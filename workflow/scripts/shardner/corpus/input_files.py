"""The input files as the settings name them: files of this machine, or URLs that are fetched later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shardner.config import Auto
from shardner.corpus.files import expand_files
from shardner.corpus.remote import check_remote, is_remote


def find_files(names: Sequence[str], shards: int | Auto) -> tuple[Path, ...] | None:
    """Return the files that `names` stand for, in corpus order; None for URLs, which are only checked.

    Args:
        names: the setting ``corpus.files``.
        shards: the setting ``shards.count``; URLs need a number.

    Raises:
        CorpusError: from `expand_files` or `check_remote`.
    """
    if any(map(is_remote, names)):
        check_remote(names, shards)
        return None
    return expand_files(names)
