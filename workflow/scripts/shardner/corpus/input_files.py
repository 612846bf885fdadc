"""The input files as the settings name them: of this machine, of storages, and those that come to be in the run."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shardner.config import AUTO, Auto, CorpusConfig
from shardner.corpus.files import can_be_entered, detect_by_name
from shardner.corpus.patterns import expand_files
from shardner.corpus.remote import check_remote, is_remote
from shardner.data.stored_files import StoredFile, is_stored, look_up, remember
from shardner.data.typed_json import read_json, write_json


@dataclass(frozen=True, slots=True)
class _Listed:
    """A file of the corpus that lies in a storage, and what the plan needs to know of it."""

    path: Path
    size: int
    modified_ns: int
    enterable: bool


@dataclass(frozen=True, slots=True)
class _Listing:
    """The files of a corpus, as the parse found them that began a run."""

    patterns: tuple[str, ...]
    files: tuple[Path, ...]
    stored: tuple[_Listed, ...]


class InputFiles:
    """Finds the files of a corpus.

    A storage is asked once, by the process that begins a run. Those of its jobs, which parse too, read what was kept:
    so they need no network for that, and plan the same.

    Args:
        kept: the file in which the listing is kept; it need not be there.
        begins: whether this process begins a run.
        may_be_made: whether another rule may make the corpus.
    """

    def __init__(self, kept: Path, *, begins: bool, may_be_made: bool = False) -> None:
        self._kept, self._begins, self._may_be_made = kept, begins, may_be_made
        self._enterable: dict[Path, bool] = {}
        self._found: tuple[Path, ...] = ()
        self._patterns: tuple[str, ...] = ()

    def find(self, corpus: CorpusConfig, shards: int | Auto) -> tuple[Path, ...] | None:
        """Return the files that ``corpus.files`` stands for, in corpus order; None for those that are not there yet.

        These are URLs that Snakemake fetches. And where another rule may make the corpus, all plain paths to files, if
        the settings say how many shards there are: whether they are there already must not change the plan.

        Args:
            corpus: the settings.
            shards: the setting ``shards.count``; URLs that Snakemake fetches need a number.

        Raises:
            CorpusError: from `expand_files`, `check_remote` or `detect_by_name`.
        """
        if any(map(is_remote, corpus.files)):
            check_remote(corpus, shards)
            return None
        if self._may_be_made and shards != AUTO and all(map(_is_plain, corpus.files)):
            for name in corpus.files:
                detect_by_name(Path(name), corpus)
            return None
        self._patterns = corpus.files
        self._found = self._recall(corpus.files) or expand_files(corpus)
        return self._found

    def can_be_entered(self, path: Path, corpus: CorpusConfig) -> bool:
        """Tell whether a file can be read from the middle (see `files.can_be_entered`)."""
        if not is_stored(path):
            return can_be_entered(path, corpus)
        if path not in self._enterable:
            self._enterable[path] = can_be_entered(path, corpus)
        return self._enterable[path]

    def keep(self) -> None:
        """Keep what storages said, for the jobs."""
        stored = [look_up(path) for path in self._found if is_stored(path)]
        if stored:
            listed = tuple(_Listed(*file, self._enterable.get(file.path, False)) for file in stored)
            write_json(self._kept, _Listing(self._patterns, self._found, listed))

    def _recall(self, patterns: Sequence[str]) -> tuple[Path, ...]:
        """Return the files that the process found that began the run; none where it kept none."""
        if self._begins or not any(is_stored(Path(name)) for name in patterns) or not self._kept.is_file():
            return ()
        listing = read_json(self._kept, _Listing)
        if listing.patterns != tuple(patterns):
            return ()
        remember(StoredFile(each.path, each.size, each.modified_ns) for each in listing.stored)
        self._enterable.update((each.path, each.enterable) for each in listing.stored)
        return listing.files


def _is_plain(name: str) -> bool:
    if is_stored(Path(name)):
        return False
    return not (glob.has_magic(name) or name.startswith("~") or "$" in name or Path(name).is_dir())
