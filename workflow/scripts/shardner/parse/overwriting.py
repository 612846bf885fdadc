"""What a run must not write over: its own inputs, and files that no run has made.

Snakemake takes the absolute and the relative path of a file for two files, and a link and its target as well. So
inputs are compared with what the run writes by what they are on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from shardner.errors import ConfigError

#: Formats whose documents have texts, and how their files end.
TEXT_FORMATS = {"redacted": ".jsonl", "prodigy": ".jsonl", "labelstudio": ".json"}
#: What runs write into ``output.dir``, with all settings and targets.
RESULT_NAMES = (
    ".work",
    *(f"{table}{suffix}" for table in ("entities", "documents", "rejected", "spans") for suffix in (".parquet", "")),
    "entities.csv", "csv", "documents.jsonl", "jsonl", "documents.spacy",
    *(f"{name}{suffix}" for name, suffix in TEXT_FORMATS.items()), *TEXT_FORMATS,
    "performance.json", "report.html", "provenance.json", "estimate.json", "verify.json",
)  # fmt: skip
#: In the metadata of each table of results is the name of its run, under this key.
RUN_KEY = "shardner.run"
#: The metadata of a Parquet file are in its last bytes.
_TAIL_BYTES = 1 << 20

_Identity = tuple[int, int]  # device and inode


def refuse_overwriting(output: Path, inputs: Mapping[str, Iterable[Path]], pipeline: Path | None = None) -> None:
    """Refuse to run where the run would write over one of its inputs, or into its pipeline.

    Links are followed. A name in other case is the same file where the file system says so.

    Args:
        output: the directory of results.
        inputs: input files by the setting that names them.
        pipeline: the directory of the pipeline, if it is one.

    Raises:
        ConfigError: naming the file.
    """
    owned = _Owned(output)
    for setting, paths in inputs.items():
        for path in paths:
            if owned.holds(path):
                raise ConfigError(
                    f"{setting}: {path} is or lies where this run would write its results (output.dir: {output}), and "
                    f"would be lost; choose another directory, for example:   output: {{dir: {_suggest(output)}}}"
                )
    if pipeline is not None and _is_inside(output, pipeline):
        raise ConfigError(
            f"output.dir: {output} lies inside the pipeline {pipeline}, which would change with every result; "
            f"choose another directory, for example:   output: {{dir: results}}"
        )


def refuse_foreign_results(output: Path) -> None:
    """Refuse to write over files that have the names of results and that no run has made.

    Raises:
        ConfigError: naming the file; or ``output.dir`` is no directory.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"output.dir: {output} is a file; name a directory, or move the file away")
    if (output / ".work").is_dir():
        return
    found = [path for name in RESULT_NAMES if (path := output / name).exists()]
    if found and not any(map(_is_of_a_run, found)):
        raise ConfigError(
            f"output.dir: {found[0]} is not of a run of this workflow (there is no .work beside it), and would be "
            f"written over; move it away, or choose another directory:   output: {{dir: {_suggest(output)}}}"
        )


class _Owned:
    """What a run writes into its directory of results."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._places = {(output / name).resolve() for name in RESULT_NAMES}
        self._directories = {found for name in RESULT_NAMES if (found := _identity(output / name, directory=True))}
        self._itself = _identity(output)
        self._names = {name.casefold(): name for name in RESULT_NAMES}
        self._inside: dict[Path, bool] = {}
        self._is_output: dict[Path, bool] = {}

    def holds(self, path: Path) -> bool:
        """Tell whether a file is one of these, or lies in one."""
        real = path.resolve()
        if real in self._places or self._is_inside(real.parent):
            return True
        name = self._names.get(real.name.casefold())
        return name is not None and self._is_itself(real.parent) and _same_file(real, self._output / name)

    def _is_inside(self, directory: Path) -> bool:
        if directory not in self._inside:
            owned = directory in self._places or _identity(directory) in self._directories
            self._inside[directory] = owned or (directory.parent != directory and self._is_inside(directory.parent))
        return self._inside[directory]

    def _is_itself(self, directory: Path) -> bool:
        if directory not in self._is_output:
            self._is_output[directory] = self._itself is not None and _identity(directory) == self._itself
        return self._is_output[directory]


def _identity(path: Path, *, directory: bool = False) -> _Identity | None:
    """Return what tells a file from others on disk; None if there is none, or no directory where one is wanted."""
    try:
        found = path.stat()
    except OSError:
        return None
    return None if directory and not path.is_dir() else (found.st_dev, found.st_ino)


def _same_file(left: Path, right: Path) -> bool:
    found = _identity(left)
    return found is not None and found == _identity(right)


def _is_inside(path: Path, directory: Path) -> bool:
    wanted = _identity(directory)
    real = path.resolve()
    return wanted is not None and any(_identity(each) == wanted for each in (real, *real.parents))


def _is_of_a_run(path: Path) -> bool:
    """Tell whether a table of results has the name of a run in its metadata."""
    if path.is_dir():
        return any(map(_is_of_a_run, sorted(path.glob("part-*.parquet"))[:1]))
    if path.suffix != ".parquet":
        return False
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        return RUN_KEY.encode() in file.read()


def _suggest(output: Path) -> Path:
    """Return a directory beside the one that cannot be used."""
    return output / "results" if output.name != "results" else output.with_name("results-2")
