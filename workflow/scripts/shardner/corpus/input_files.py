"""The input files as the settings name them: files of this machine, or URLs that are fetched later."""

from __future__ import annotations

from pathlib import Path

from shardner.config import Auto, CorpusConfig
from shardner.corpus.patterns import expand_files
from shardner.corpus.remote import check_remote, is_remote


def find_files(corpus: CorpusConfig, shards: int | Auto) -> tuple[Path, ...] | None:
    """Return the files that ``corpus.files`` stands for, in corpus order; None for URLs, which are only checked.

    Args:
        corpus: the settings.
        shards: the setting ``shards.count``; URLs need a number.

    Raises:
        CorpusError: from `expand_files` or `check_remote`.
    """
    if any(map(is_remote, corpus.files)):
        check_remote(corpus, shards)
        return None
    return expand_files(corpus)
