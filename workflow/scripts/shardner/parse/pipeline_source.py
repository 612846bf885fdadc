"""Where a pipeline comes from: the demo, a package, a directory, or a wheel by path or URL."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shardner.config import PrepareChoice
from shardner.errors import ModelError


class SourceKind(StrEnum):
    """The kinds of sources."""

    DEMO = "demo"
    PACKAGE = "package"
    DIRECTORY = "directory"
    WHEEL = "wheel"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Source:
    """A pipeline as ``model.name`` names it."""

    kind: SourceKind
    name: str


def classify(name: str) -> Source:
    """Return the source that `name` stands for.

    Raises:
        ModelError: it looks like a path, but there is nothing, or something else than a pipeline.
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
    """Tell whether the pipeline is prepared where Snakemake runs, not in a job of the cluster.

    With ``model.prepare: auto``, it is when the pipeline has to be fetched: compute nodes often have no network.
    """
    if choice is PrepareChoice.AUTO:
        missing = source.kind is SourceKind.PACKAGE and package_directory(source.name) is None
        return missing or source.kind is SourceKind.URL
    return choice is PrepareChoice.LOCAL


def source_files(source: Source) -> list[Path]:
    """Return the files that define the pipeline: a change of one annotates again. For a URL and the demo, none."""
    if source.kind is SourceKind.WHEEL:
        return [Path(source.name)]
    if source.kind is SourceKind.DIRECTORY:
        return _files_below(Path(source.name))
    if source.kind is SourceKind.PACKAGE and (directory := package_directory(source.name)):
        return _files_below(directory)
    return []


def package_directory(name: str) -> Path | None:
    """Return the directory of an installed package; None where it is not installed."""
    try:
        spec = importlib.util.find_spec(name.replace("-", "_"))
    except (ImportError, ValueError):
        return None
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations))) if locations else None


def _files_below(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
