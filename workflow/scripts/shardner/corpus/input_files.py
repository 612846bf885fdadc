"""The input files as the settings name them: files of this machine, or those that come to be only in the run."""

from __future__ import annotations

import glob
from pathlib import Path

from shardner.config import AUTO, Auto, CorpusConfig
from shardner.corpus.files import detect_by_name
from shardner.corpus.patterns import expand_files
from shardner.corpus.remote import check_remote, is_remote


def find_files(corpus: CorpusConfig, shards: int | Auto, *, may_be_made: bool = False) -> tuple[Path, ...] | None:
    """Return the files that ``corpus.files`` stands for, in corpus order; None for those that are not there yet.

    These are URLs. And where another rule may make the corpus, all plain paths to files, if the settings say how many
    shards there are: whether they are there already must not change the plan.

    Args:
        corpus: the settings.
        shards: the setting ``shards.count``; URLs need a number.
        may_be_made: whether another rule may make the corpus.

    Raises:
        CorpusError: from `expand_files`, `check_remote` or `detect_by_name`.
    """
    if any(map(is_remote, corpus.files)):
        check_remote(corpus, shards)
        return None
    if may_be_made and shards != AUTO and all(map(_is_plain, corpus.files)):
        for name in corpus.files:
            detect_by_name(Path(name), corpus)
        return None
    return expand_files(corpus)


def _is_plain(name: str) -> bool:
    return not (glob.has_magic(name) or name.startswith("~") or "$" in name or Path(name).is_dir())
