"""Fetching a pipeline: by spaCy's download, or as a wheel; and the checksum of its files."""

from __future__ import annotations

import hashlib
import importlib
import re
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from shardner.data.files import atomic_path
from shardner.errors import ModelError
from shardner.parse.pipeline_source import package_directory


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
