"""Which files the corpus is: paths, globs and directories of ``corpus.files`` become paths of files."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from shardner.config import CorpusConfig
from shardner.corpus.files import detect_format, show_path
from shardner.data.stored_files import is_stored, remember
from shardner.data.stored_listing import list_stored
from shardner.errors import CorpusError, StorageError

#: Names that start so are no data: hidden files, and what Spark and its like write about data (``_SUCCESS``).
_NO_DATA = (".", "_")
_SHOWN = 5


def expand_files(corpus: CorpusConfig) -> tuple[Path, ...]:
    """Return the corpus's files: ``corpus.files`` in their order, the matches of each sorted, each file once.

    One of them is a path; a glob (``*``, ``?``, ``[...]``, ``**``), as a shell would read it: names that start with a
    dot want to be named, and directories are passed over; or a directory, which stands for all files in it that can be
    read, at any depth. ``~`` and ``$NAME`` are what they are in a shell.

    Raises:
        CorpusError: a glob matches no file, a directory holds none that can be read, or a file is missing, unreadable,
            no file but a pipe or device, or of unknown format.
    """
    found: dict[Path, Path] = {}
    for pattern in corpus.files:
        for path in _matches(_expand_name(pattern), corpus):
            found.setdefault(path if is_stored(path) else path.resolve(), path)
    return tuple(found.values())


def describe_left_out(corpus: CorpusConfig) -> list[str]:
    """Say of each directory of ``corpus.files`` which files in it are left out, if any are."""
    lines = []
    for pattern in map(_expand_name, corpus.files):
        if not Path(pattern).is_dir():
            continue
        others = [path for path, can_be_read in _walk(Path(pattern), corpus) if not can_be_read]
        if others:
            names = ", ".join(show_path(path.relative_to(pattern)) for path in others[:_SHOWN])
            more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            lines.append(f"corpus.files: in {show_path(Path(pattern))}, these are left out: {names}{more}")
    return lines


def _expand_name(pattern: str) -> str:
    if os.path.lexists(pattern) or is_stored(Path(pattern)):
        return pattern
    return os.path.expandvars(Path(pattern).expanduser())


def _matches(pattern: str, corpus: CorpusConfig) -> Iterator[Path]:
    if is_stored(Path(pattern)):
        yield from _stored(pattern, corpus)
        return
    # a file may be called "a[1].txt": what is there under just this name is meant
    if Path(pattern).is_dir():
        yield from _files_of(Path(pattern), corpus)
        return
    if os.path.lexists(pattern) or not glob.has_magic(pattern):
        _refuse_unusable(Path(pattern), corpus)
        yield Path(pattern)
        return
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  pathlib's would also find hidden files
    paths = [path for path in map(Path, names) if not path.is_dir()]
    if not paths:
        raise CorpusError(
            f"corpus.files: no file matches {pattern!r}; it is looked for from {show_path(Path.cwd())}: "
            f"{_advise(pattern)}"
        )
    for path in paths:
        _refuse_unusable(path, corpus)
        yield path


def _stored(url: str, corpus: CorpusConfig) -> Iterator[Path]:
    """Yield the files that a URL stands for."""
    if "?" in url and url.startswith(("http://", "https://")):
        raise CorpusError(
            f"corpus.files: {url}: a URL with a query is not read in place; let Snakemake fetch it, by  snakemake+{url}"
        )
    try:
        found = list_stored(url)
    except ValueError as error:
        raise CorpusError(f"corpus.files: {url}: {error}") from None
    except StorageError as error:
        raise CorpusError(f"corpus.files: {error}") from None
    except OSError as error:
        raise CorpusError(f"corpus.files: {url}: {error.strerror or error}") from None
    remember(found)
    paths = [file.path for file in found]
    if len(paths) > 1 or url.endswith("/"):
        left_out = _NO_DATA if url.endswith("/") else _NO_DATA[:1]
        paths = [path for path in paths if not any(part.startswith(left_out) for part in path.parts[2:])]
    if url.endswith("/"):
        paths = [path for path in paths if _is_known(path, corpus)]
    if not paths:
        raise CorpusError(f"corpus.files: {url}: there is no such file in the storage")
    for path in paths:
        detect_format(path, corpus)
        yield path


def _files_of(directory: Path, corpus: CorpusConfig) -> Iterator[Path]:
    paths = [path for path, can_be_read in _walk(directory, corpus) if can_be_read]
    if not paths:
        raise CorpusError(
            f"corpus.files: no file in the directory {show_path(directory)} can be read; "
            f"if its names do not say the format, say it, for example  corpus: {{format: txt}}"
        )
    for path in paths:
        _refuse_unusable(path, corpus)
        yield path


def _walk(directory: Path, corpus: CorpusConfig, above: frozenset[Path] = frozenset()) -> Iterator[tuple[Path, bool]]:
    """Yield the files in a directory by path, each with whether it can be read.

    What is no data is passed over, and so are the results of runs, and links that lead back to a directory `above`.
    """
    real = directory.resolve()
    if real in above:
        return
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise CorpusError(
            f"corpus.files: the directory {show_path(directory)} cannot be read: {error.strerror or error}; "
            f"give yourself the right to read it, or write a glob that leaves it out"
        ) from error
    for entry in entries:
        if entry.name.startswith(_NO_DATA):
            continue
        if not entry.is_dir():
            yield entry, entry.is_file() and _is_known(entry, corpus)
        elif not (entry / ".work").is_dir():
            yield from _walk(entry, corpus, above | {real})


def _is_known(path: Path, corpus: CorpusConfig) -> bool:
    try:
        detect_format(path, corpus)
    except CorpusError:
        return False
    return True


def _advise(pattern: str) -> str:
    """Return what to do about a glob that matches nothing."""
    if unset := _unset_variable(pattern):
        return unset
    escaped = _escape_directories(pattern)
    if escaped != pattern and glob.glob(escaped, recursive=True):  # noqa: PTH207
        return f"brackets stand for one of the characters in them; for brackets themselves, write {escaped!r}"
    folder = Path(pattern).parent
    if not glob.has_magic(str(folder)) and folder.is_dir():
        names = [entry.name for entry in sorted(folder.iterdir()) if not entry.name.startswith(_NO_DATA)]
        if names:
            shown = ", ".join(show_path(Path(name)) for name in names[:_SHOWN])
            return f"{show_path(folder)} holds {shown}{' …' if len(names) > _SHOWN else ''}; mend the pattern"
    return "mend the pattern, or write a file's path or a directory"


def _unset_variable(pattern: str) -> str | None:
    found = re.search(r"\$\{?(\w+)", pattern)
    return f"the environment has no variable {found[1]}" if found else None


def _escape_directories(pattern: str) -> str:
    """Escape those names of directories in a pattern that are there as they are written."""
    parts: Sequence[str] = Path(pattern).parts
    done, literal = Path(), Path()
    for part in parts:
        there = os.path.lexists(literal / part)
        literal = literal / part
        done = done / (glob.escape(part) if there and glob.has_magic(part) else part)
    return str(done)


def _refuse_unusable(path: Path, corpus: CorpusConfig) -> None:
    shown = show_path(path)
    if not path.exists():
        link = " (a link to nothing)" if path.is_symlink() else ""
        unset = _unset_variable(str(path))
        advice = unset or "mend the path, or take it out of corpus.files"
        raise CorpusError(
            f"corpus.files: there is no file {shown}{link}; it is looked for from {show_path(Path.cwd())}: {advice}"
        )
    if not path.is_file():
        raise CorpusError(
            f"corpus.files: {shown} is no file but a pipe or a device, and can be read only once, by one process; "
            f"write what comes from it to a file first:   cat {shown} > corpus.jsonl"
        )
    detect_format(path, corpus)
    try:
        path.open("rb").close()
    except OSError as error:
        raise CorpusError(
            f"corpus.files: {shown} cannot be read: {error.strerror or error}; "
            f"give yourself the right to read it, or take it out of corpus.files"
        ) from error
