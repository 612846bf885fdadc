"""Whether a pipeline is the one that annotated before: by content, wherever and whenever its files were written.

An environment that is made anew, on this machine, another one or in a container, gives every file another time, and
often another path. Nothing is annotated again for that. Preparing the pipeline keeps what its files were
(`PreparedFiles`), so a parse computes a checksum only where a file has another path, size or time than then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from shardner.data.files import state_of
from shardner.data.typed_json import read_json, write_json
from shardner.errors import JsonFileError
from shardner.parse.pipeline_source import Source, source_files

#: Packages that turn texts into entities, whatever the pipeline; with another version of one there may be others.
PACKAGES = ("spacy", "thinc")
#: Entry points of packages that change no entity: pipelines, which are known by content, and what trains or shows.
_ASIDE = ("spacy_models", "spacy_cli", "spacy_loggers", "spacy_readers", "spacy_scorers", "spacy_displacy_colors")


@dataclass(frozen=True, slots=True)
class FileState:
    """What is known of a file without reading it."""

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class PreparedFiles:
    """The files of a pipeline as it was prepared.

    Attributes:
        states: of each file of the pipeline and of its code.
        content: their checksum; None where there are no files to look at, such as those behind a URL.
        key: `Identity.key` of the run that prepared it.
    """

    states: tuple[FileState, ...]
    content: str | None
    key: str | None


class Identity(NamedTuple):
    """What a parse knows of the pipeline.

    Attributes:
        content: the checksum of its files and its code; None where they come to be in the run.
        key: with another one, the pipeline is prepared, and all is annotated, again. It is the content, except for a
            pipeline that was fetched in the run that first prepared it, when its content was not known yet.
    """

    content: str | None
    key: str | None


#: Of a pipeline that comes to be in the run, or cannot be read.
UNKNOWN = Identity(None, None)


def identify_pipeline(source: Source, code: Sequence[Path], prepared: Path) -> Identity:
    """Return what is known of a pipeline before the run.

    Args:
        source: where the pipeline comes from.
        code: the files of ``model.code``.
        prepared: where `write_prepared` wrote; it need not be there.
    """
    states = file_states(source, code)
    if not source_files(source):
        return UNKNOWN
    try:
        last = read_json(prepared, PreparedFiles)
    except (OSError, JsonFileError):
        last = PreparedFiles((), None, None)
    try:
        content = last.content if last.content and states == last.states else content_of(source, code)
    except OSError:  # preparing it says what is wrong
        return UNKNOWN
    return Identity(content, last.key if content == last.content else content)


def write_prepared(target: Path, source: Source, code: Sequence[Path], key: str | None) -> None:
    """Keep what the files of a pipeline are that was prepared; `key` is the parse's, which came before."""
    states, content = file_states(source, code), content_of(source, code)
    write_json(target, PreparedFiles(states, content, key and content))


def package_versions(source: Source, key: str | None) -> dict[str, str]:
    """Return the version of each package that a pipeline is made of: spaCy's, and those whose parts its config names.

    Without a key the config may not have been there when the pipeline was prepared, so it is not looked at.
    """
    files = source_files(source) if key is not None else []
    configs = [path.read_text("utf-8", "replace") for path in files if path.name == "config.cfg"]
    found: dict[str, str] = {}
    for package in metadata.distributions():
        points = [point for point in package.entry_points if point.group.startswith(("spacy_", "thinc_"))]
        parts = [f'"{point.name}"' for point in points if point.group not in _ASIDE]
        if any(part in config for part in parts for config in configs):
            found.setdefault(package.name, package.version)  # the first one is imported
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return dict(sorted(found.items()))


def file_states(source: Source, code: Sequence[Path]) -> tuple[FileState, ...]:
    """Return the state of each file that defines the pipeline, and of its code; those that are gone are left out."""
    states = ((path, state_of(path)) for path in (*source_files(source), *code))
    return tuple(FileState(str(path), *state) for path, state in states if state is not None)


def content_of(source: Source, code: Sequence[Path]) -> str | None:
    """Return the checksum of a pipeline's files and code; None where there are no files to look at yet."""
    files = source_files(source)
    return checksum_with_code(checksum(files, _root(files)), code) if files else None


def _root(files: Sequence[Path]) -> Path:
    """Return the directory below which all files lie."""
    root = files[0].parent
    while not all(path.is_relative_to(root) for path in files):
        root = root.parent
    return root


def checksum_with_code(pipeline: str, code: Sequence[Path]) -> str:
    """Return the sha256 of a pipeline and of the code that it needs; that of the pipeline where it needs none."""
    if not code:
        return pipeline
    digest = hashlib.sha256(pipeline.encode())
    for path in code:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def checksum(files: Sequence[Path], root: Path) -> str:
    """Return the sha256 of files: of their names relative to `root` and their contents, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
