"""Where a pipeline comes from: the demo's, a package, a directory, or a wheel by path or URL.

Nothing here imports spaCy: the kind of a source is needed when Snakemake parses.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shardner.config import PrepareChoice
from shardner.errors import ModelError


class SourceKind(StrEnum):
    """The ways to name a pipeline."""

    DEMO = "demo"
    PACKAGE = "package"
    DIRECTORY = "directory"
    WHEEL = "wheel"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Source:
    """A pipeline as config names it."""

    kind: SourceKind
    name: str


def classify(name: str) -> Source:
    """Tell what kind of source `name` is.

    Raises:
        ModelError: it looks like a path, but nothing is there, or no pipeline is.
    """
    if name == "demo":
        return Source(SourceKind.DEMO, name)
    if re.match(r"https?://", name):
        return Source(SourceKind.URL, name)
    path = Path(name).expanduser()
    if path.suffix == ".whl":
        if not path.is_file():
            raise ModelError(
                f"model.name: there is no wheel at {name!r}; give the path of a file that exists, or a URL"
            )
        return Source(SourceKind.WHEEL, str(path))
    if path.is_dir():
        if not (path / "config.cfg").is_file():
            raise ModelError(
                f"model.name: the directory {name!r} holds no pipeline (there is no config.cfg in it); "
                f"name the directory that `nlp.to_disk` or `spacy train` wrote (its model-best, say)"
            )
        return Source(SourceKind.DIRECTORY, str(path))
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ModelError(f"model.name: {name!r} is neither a directory nor the name of a pipeline package")
    return Source(SourceKind.PACKAGE, name)


def prepares_here(choice: PrepareChoice, source: Source) -> bool:
    """Tell whether the pipeline is prepared where Snakemake runs, not in a cluster's job.

    `auto`: where it has to be fetched, which a compute node often cannot.
    """
    if choice is PrepareChoice.AUTO:
        missing = source.kind is SourceKind.PACKAGE and package_directory(source.name) is None
        return missing or source.kind is SourceKind.URL
    return choice is PrepareChoice.LOCAL


def source_files(source: Source) -> list[Path]:
    """List the files that define the pipeline, so that a change of one annotates again; none for URL and demo."""
    if source.kind is SourceKind.WHEEL:
        return [Path(source.name)]
    if source.kind is SourceKind.DIRECTORY:
        return _files_below(Path(source.name))
    if source.kind is SourceKind.PACKAGE and (directory := package_directory(source.name)):
        return _files_below(directory)
    return []


def package_directory(name: str) -> Path | None:
    """Return the directory of an installed package, None where it is not installed."""
    try:
        spec = importlib.util.find_spec(name.replace("-", "_"))
    except (ImportError, ValueError):
        return None
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations))) if locations else None


def _files_below(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
