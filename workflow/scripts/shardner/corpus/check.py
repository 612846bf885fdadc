"""Check, before any work, that each file is what its name says and has the columns that the configuration names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shardner.config import CorpusConfig
from shardner.corpus.files import detect_format
from shardner.corpus.registry import READERS


def check_files(files: Sequence[Path], corpus: CorpusConfig) -> None:
    """Look at the start of each file.

    Raises:
        CorpusError: as `Reader.check`.
    """
    for path in files:
        source = detect_format(path)
        READERS[source.format].check(source, corpus)
