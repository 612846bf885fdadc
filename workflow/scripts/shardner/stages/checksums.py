"""Checksums of input files that lie in several parts: no split job reads all of such a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shardner.corpus.files import show_path
from shardner.data.files import state_of
from shardner.data.manifest import Manifest
from shardner.data.stored_files import buffered
from shardner.data.typed_json import read_json, write_json
from shardner.errors import CorpusError


@dataclass(frozen=True, slots=True)
class FileChecksum:
    """The checksum of a file."""

    path: str
    bytes: int
    sha256: str


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with buffered(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sum_file(path: Path, target: Path) -> None:
    """Write the checksum of a file as JSON.

    Raises:
        CorpusError: the file changed meanwhile.
    """
    before = state_of(path)
    found = FileChecksum(show_path(path), before[0] if before else 0, sha256_of(path))
    if state_of(path) != before:
        raise CorpusError(f"{found.path}: the file changed while it was read; run again when it is complete")
    write_json(target, found)


def add_checksums(manifest: Manifest, paths: Sequence[Path]) -> Manifest:
    """Return the manifest with the checksums that it lacks.

    Raises:
        CorpusError: a file is not what the split read.
    """
    found = {each.path: each for each in (read_json(path, FileChecksum) for path in paths)}
    files = []
    for file in manifest.files:
        checksum = found.get(file.path)
        if file.sha256 is None and checksum is not None:
            if checksum.bytes != file.bytes:
                raise CorpusError(
                    f"{file.path}: the file changed after it was split ({file.bytes} bytes then, {checksum.bytes} "
                    f"now); run again when it is complete"
                )
            file = replace(file, sha256=checksum.sha256)
        files.append(file)
    return replace(manifest, files=tuple(files))
