"""Fetching a pipeline: by spaCy's download, or as a package's file."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path

from shardner.data.files import atomic_path
from shardner.errors import ModelError
from shardner.parse.pipeline_source import ARCHIVE_SUFFIXES, package_directory


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


def fetch_archive(url: str, directory: Path) -> Path:
    """Download a package's file into `directory` and return its path.

    Raises:
        ModelError: the URL is that of another kind of file, or cannot be read.
    """
    file_name = url.split("?")[0].split("#")[0].rsplit("/", 1)[-1]
    if not (re.fullmatch(r"[\w.+-]+", file_name) and file_name.endswith(ARCHIVE_SUFFIXES)):
        raise ModelError(f"model.name: {url!r} is not the URL of a package (it should end in .whl or .tar.gz)")
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


def unpack_archive(archive: Path, directory: Path) -> tuple[str, Path]:
    """Unpack a pipeline's package below `directory`; return its name and the directory from which it is imported.

    Raises:
        ModelError: the file is damaged, reaches outside `directory`, or holds no spaCy pipeline.
    """
    kind = "wheel" if archive.suffix == ".whl" else "package"
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as content:
                content.extractall(directory)  # it keeps every name inside
        else:
            _unpack_tar(archive, directory)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ModelError(f"model.name: the {kind} {archive} is damaged: {error}; download or build it again") from error
    for meta in sorted([*directory.glob("*/meta.json"), *directory.glob("*/*/meta.json")]):
        if (meta.parent / "__init__.py").is_file():
            return meta.parent.name, meta.parent.parent
    raise ModelError(f"model.name: {archive} is not the {kind} of a spaCy pipeline (`spacy package` makes one)")


def _unpack_tar(archive: Path, directory: Path) -> None:
    """Unpack files and directories; refuse links and names outside. Python 3.11.0 has no filter that does so."""
    inside = directory.resolve()
    with tarfile.open(archive, "r:gz") as content:
        for member in content:
            path = (inside / member.name).resolve()
            if not path.is_relative_to(inside) or not (member.isfile() or member.isdir()):
                raise ModelError(
                    f"model.name: {archive} holds {member.name!r}, a link or a file outside of the package; "
                    f"nothing of the kind is in what `spacy package` makes"
                )
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif (source := content.extractfile(member)) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with source, path.open("wb") as file:
                    shutil.copyfileobj(source, file)
