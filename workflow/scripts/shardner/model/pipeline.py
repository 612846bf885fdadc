"""A pipeline ready for the workers: described in JSON by one job, loaded from that by every other."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shardner.data.provenance import PipelineDescription
from shardner.data.typed_json import read_json, write_json
from shardner.errors import ModelError
from shardner.model.components import select_components
from shardner.model.fetch import checksum, download_package, fetch_wheel, unpack_wheel
from shardner.model.without_torch import import_spacy
from shardner.parse.pipeline_source import Source, SourceKind, package_directory, source_files

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pipeline(PipelineDescription):
    """Where a pipeline lies and which of its components run. A package may lie below `sys_path`."""

    sys_path: str | None = None


def prepare_pipeline(
    source: Source,
    demo: Path | None,
    unpacked: Path,
    components: str | Sequence[str],
    *,
    mixed_precision: bool = False,
) -> Pipeline:
    """Find (fetch, unpack) a pipeline, load it once, and choose its components.

    Args:
        source: what config names.
        demo: the directory of the demo's trained pipeline, where it is meant.
        unpacked: where a wheel's content goes.
        components: ``"auto"``, ``"all"``, or names.
        mixed_precision: whether transformers are to compute in half precision on a GPU.

    Raises:
        ModelError: the pipeline cannot be found or loaded, writes no entities, or has nothing to compute in half
            precision.
    """
    unpacked.mkdir(parents=True, exist_ok=True)
    location, sys_path = _locate(source, demo, unpacked)
    nlp = _load(location, sys_path, exclude=())
    selection = select_components(nlp, components)
    for note in selection.notes:
        log.info(note)
    if mixed_precision and not find_precision(nlp, selection.kept):
        raise ModelError(
            "model.mixed_precision: no component of this pipeline is a transformer that can compute in half precision; "
            "write:   model: {mixed_precision: false}"
        )
    log.info("components kept: %s; left out: %s", ", ".join(selection.kept), ", ".join(selection.left_out) or "none")
    root, files = _files(location, sys_path)
    return Pipeline(
        location=location,
        sys_path=sys_path,
        source=source.name,
        name=f"{nlp.meta['lang']}_{nlp.meta['name']}",
        version=nlp.meta["version"],
        lang=nlp.meta["lang"],
        sha256=checksum(files, root),
        components=selection.kept,
        left_out=selection.left_out,
        labels=_labels(nlp, selection.kept),
        notes=selection.notes,
        mixed_precision=mixed_precision,
    )


def _locate(source: Source, demo: Path | None, unpacked: Path) -> tuple[str, str | None]:
    if source.kind is SourceKind.DEMO and demo is not None:
        return str(demo.resolve()), None
    if source.kind is SourceKind.DIRECTORY:
        return str(Path(source.name).resolve()), None
    if source.kind is SourceKind.PACKAGE:
        if package_directory(source.name) is None:
            download_package(source.name)
        return source.name.replace("-", "_"), None
    wheel = fetch_wheel(source.name, unpacked) if source.kind is SourceKind.URL else Path(source.name)
    return unpack_wheel(wheel, unpacked), str(unpacked.resolve())


def _files(location: str, sys_path: str | None) -> tuple[Path, list[Path]]:
    path = _directory_of(location)
    if path is None:
        raise ModelError(f"the pipeline package {location!r} has vanished from {sys_path or sys.prefix}")
    return path, source_files(Source(SourceKind.DIRECTORY, str(path)))


def _directory_of(location: str) -> Path | None:
    """Return where a pipeline lies, None for a package that is not there."""
    return Path(location) if Path(location).is_absolute() else package_directory(location)


def _labels(nlp: Language, kept: Sequence[str]) -> tuple[str, ...]:
    labels: set[str] = set()
    for name in kept:
        if "doc.ents" in nlp.get_pipe_meta(name).assigns:
            labels |= set(getattr(nlp.get_pipe(name), "labels", ()))
    return tuple(sorted(labels))


def load_pipeline(pipeline: Pipeline) -> Language:
    """Load the components that run; the others' weights are not read.

    Raises:
        ModelError: the pipeline has gone, or cannot be loaded.
    """
    nlp = _load(pipeline.location, pipeline.sys_path, exclude=pipeline.left_out)
    if pipeline.mixed_precision:
        changes = find_precision(nlp, pipeline.components)
        nlp = _load(pipeline.location, pipeline.sys_path, exclude=pipeline.left_out, changes=changes)
    for name in pipeline.components:
        if name not in nlp.pipe_names:  # named in config, disabled in the pipeline's own
            nlp.enable_pipe(name)
    nlp.max_length = sys.maxsize  # a document is never refused for its length
    return nlp


def load_tokenizer(pipeline: Pipeline) -> Language:
    """Load a pipeline without any component.

    Raises:
        ModelError: the pipeline has gone, or cannot be loaded.
    """
    nlp = _load(pipeline.location, pipeline.sys_path, exclude=[*pipeline.components, *pipeline.left_out])
    nlp.max_length = sys.maxsize
    return nlp


def find_precision(nlp: Language, names: Sequence[str]) -> dict[str, bool]:
    """Return, by path in the config, half precision for every part of the components `names` that knows the setting."""
    found: dict[str, bool] = {}

    def look(part: Any, path: str) -> None:
        for key, value in part.items() if isinstance(part, dict) else ():
            if key == "mixed_precision":
                found[f"{path}.{key}"] = True
            look(value, f"{path}.{key}")

    for name in names:
        look(nlp.config["components"][name], f"components.{name}")
    return found


def import_spacy_for(location: str, sys_path: str | None) -> None:
    """Import spaCy as a pipeline needs it, and let its package be found."""
    if sys_path is not None and sys_path not in sys.path:
        sys.path.insert(0, sys_path)
        importlib.invalidate_caches()
    import_spacy(_directory_of(location))


def _load(
    location: str, sys_path: str | None, *, exclude: Sequence[str], changes: Mapping[str, Any] = MappingProxyType({})
) -> Language:
    import_spacy_for(location, sys_path)
    import spacy

    try:
        if Path(location).is_absolute():
            return spacy.util.load_model_from_path(Path(location), exclude=list(exclude), config=dict(changes))
        return spacy.util.load_model_from_package(location, exclude=list(exclude), config=dict(changes))
    except Exception as error:  # spaCy raises whatever a component's own code raises
        raise ModelError(
            f"model.name: the pipeline {location!r} cannot be loaded: {type(error).__name__}: {error}{_advice(error)}"
        ) from error


def pipeline_bytes(pipeline: Pipeline) -> int:
    """Return the size of a pipeline's files but those of components that do not run: about that of its weights."""
    root = _directory_of(str(Path(pipeline.sys_path or "", pipeline.location)))
    files = (path for path in root.rglob("*") if path.is_file()) if root is not None else ()
    return sum(path.stat().st_size for path in files if not {*path.parts} & {*pipeline.left_out})


def _advice(error: Exception) -> str:
    if "factory for 'curated_transformer'" not in str(error):
        return ""
    return "\nIts transformer needs spacy-curated-transformers and Torch; type:   tools/setup.sh run transformers"


def describe_pipeline(pipeline: Pipeline) -> PipelineDescription:
    """Return what a reader of results should know of a pipeline."""
    return PipelineDescription(
        **{each.name: getattr(pipeline, each.name) for each in dataclasses.fields(PipelineDescription)}
    )


def write_pipeline(path: Path, pipeline: Pipeline) -> None:
    """Write a pipeline as JSON, atomically."""
    write_json(path, pipeline)


def read_pipeline(path: Path) -> Pipeline:
    """Read what `write_pipeline` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it does not describe a pipeline.
    """
    return read_json(path, Pipeline)
