"""The manifest: what the split found and which windows each shard holds. Order and completeness come from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shardner.data.files import write_text_atomically


@dataclass(frozen=True, slots=True)
class InputFile:
    """An input file as it was read."""

    path: str
    bytes: int
    sha256: str
    documents: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """What one shard holds. `documents` counts those whose first window is here."""

    shard: int
    documents: int
    windows: int
    chars: int
    first_doc: int | None  # of its first window; null for an empty shard
    first_window: int = 0  # that window's number in its document
    long_windows: int = 0  # of documents that have more than one


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole corpus: input files in corpus order and shards by number.

    `keep` gives the dtype, by Polars name, that each kept column takes in documents.parquet.
    """

    files: tuple[InputFile, ...]
    shards: tuple[ShardInfo, ...]
    documents: int
    rejected: int
    chars: int
    keep: Mapping[str, str]


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest as JSON, atomically."""
    write_text_atomically(path, json.dumps(dataclasses.asdict(manifest), indent=1) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read what `write_manifest` wrote."""
    data = json.loads(path.read_text("utf-8"))
    files = tuple(InputFile(**each) for each in data.pop("files"))
    shards = tuple(ShardInfo(**each) for each in data.pop("shards"))
    return Manifest(files=files, shards=shards, **data)
