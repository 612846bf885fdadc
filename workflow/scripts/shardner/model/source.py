"""Where a pipeline comes from: the demo's, a package, a directory, or a wheel by path or URL.

Nothing here imports spaCy: the kind of a source is needed when Snakemake parses.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shardner.config import PrepareChoice
from shardner.errors import ModelError
from shardner.files import atomic_path


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


def checksum(files: list[Path], root: Path) -> str:
    """Return the sha256 of files: of their names relative to `root` and their contents, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def download_package(name: str) -> None:
    """Install a pipeline package by spaCy's own download.

    Raises:
        ModelError: that failed; says what to type instead.
    """
    done = subprocess.run(
        [sys.executable, "-m", "spacy", "download", name], capture_output=True, text=True, check=False
    )
    importlib.invalidate_caches()
    if done.returncode == 0 and package_directory(name) is not None:
        return
    output = (done.stderr.strip() or done.stdout.strip()).splitlines()
    raise ModelError(
        f"model.name: the pipeline package {name!r} is not installed, and downloading it failed"
        f"{': ' + output[-1].strip() if output else ''}\n"
        f"Where there is a network, type:   {sys.executable} -m spacy download {name}\n"
        f"Where there is none, bring its wheel and write:   model: {{name: path/to/{name}-X.Y.Z-py3-none-any.whl}}\n"
        f"or give the directory of a pipeline:   model: {{name: path/to/model-best}}"
    )


def fetch_wheel(url: str, directory: Path) -> Path:
    """Download a wheel into `directory` and return its path.

    Raises:
        ModelError: the URL is no wheel's, or cannot be read.
    """
    file_name = url.split("?")[0].split("#")[0].rsplit("/", 1)[-1]
    if not re.fullmatch(r"[\w.+-]+\.whl", file_name):
        raise ModelError(f"model.name: {url!r} is not the URL of a wheel (it should end in .whl)")
    try:
        with urllib.request.urlopen(url, timeout=60) as response, atomic_path(directory / file_name) as temporary:
            with temporary.open("wb") as file:
                while block := response.read(1 << 20):
                    file.write(block)
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise ModelError(
            f"model.name: cannot download {url}: {error}\n"
            f"Download it where there is a network and write:   model: {{name: path/to/{file_name}}}"
        ) from error
    return directory / file_name


def unpack_wheel(wheel: Path, directory: Path) -> str:
    """Unpack a pipeline's wheel below `directory` and return the name of the package in it.

    Raises:
        ModelError: the file is damaged, or is not the wheel of a spaCy pipeline.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"model.name: the wheel {wheel} is damaged: {error}; download or build it again") from error
    for meta in sorted(directory.glob("*/meta.json")):
        if (meta.parent / "__init__.py").is_file():
            return meta.parent.name
    raise ModelError(f"model.name: {wheel} is not the wheel of a spaCy pipeline (`spacy package` makes one)")
