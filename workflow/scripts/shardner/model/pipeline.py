"""A pipeline ready for the workers: described in JSON by one job, loaded from that by every other."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shardner.config import ModelConfig
from shardner.data.files import state_of
from shardner.data.provenance import PipelineDescription
from shardner.data.typed_json import read_json, write_json
from shardner.errors import ModelError
from shardner.model.components import Request, Selection, describe_left_out, note_decisions, select_components
from shardner.model.context import depends_on_batch, depends_on_position
from shardner.model.fetch import download_package, fetch_archive, unpack_archive
from shardner.model.spacy_import import import_spacy
from shardner.model.user_code import import_code
from shardner.parse.pipeline_identity import checksum, checksum_with_code
from shardner.parse.pipeline_source import Source, SourceKind, classify, code_files, package_directory, source_files

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)

#: spaCy's errors for a component, and for a function of another kind, that no imported module defines.
_NOT_FOUND = ("[E002]", "[E893]")


@dataclass(frozen=True, slots=True)
class Pipeline(PipelineDescription):
    """Where a pipeline lies, which of its components run, and how. A package may lie below `sys_path`."""

    sys_path: str | None = None


def prepare_pipeline(
    source: Source,
    trained: Path | None,
    unpacked: Path,
    components: str | Sequence[str],
    *,
    mixed_precision: bool = False,
    request: Request | None = None,
    code: Sequence[Path] = (),
) -> Pipeline:
    """Find (fetch, unpack) a pipeline, load it once, and choose its components.

    Args:
        source: what config names.
        trained: the directory of the pipeline that the workflow trains, where it is meant.
        unpacked: where the content of a package's file goes.
        components: ``"auto"``, ``"all"``, or names.
        mixed_precision: whether transformers are to compute in half precision on a GPU.
        request: what the run is asked for besides entities.
        code: Python files to import before the pipeline is loaded.

    Raises:
        ModelError: the pipeline or its code cannot be found or loaded, writes no entities, or has nothing to compute
            in half precision.
    """
    unpacked.mkdir(parents=True, exist_ok=True)
    location, sys_path = _locate(source, trained, unpacked)
    own_code = tuple(str(path.absolute()) for path in code)
    nlp = _load(location, sys_path, own_code, exclude=())
    selection = select_components(nlp, components, request)
    position, batch = depends_on_position(nlp, selection.kept), depends_on_batch(nlp, selection.kept)
    notes = note_decisions(nlp, selection)
    _log_choice(selection, notes)
    for warning in filter(None, (position, batch)):
        log.warning(warning)
    if mixed_precision and not find_precision(nlp, selection.kept):
        raise ModelError(
            "model.mixed_precision: no component of this pipeline is a transformer that can compute in half precision; "
            "write:   model: {mixed_precision: false}"
        )
    root, files = _files(location, sys_path)
    return Pipeline(
        location=location,
        sys_path=sys_path,
        source=source.name,
        name=f"{nlp.meta['lang']}_{nlp.meta['name']}",
        version=nlp.meta["version"],
        lang=nlp.meta["lang"],
        sha256=checksum_with_code(checksum(files, root), code),
        components=selection.kept,
        left_out=selection.left_out,
        labels=_labels(nlp, selection.kept),
        notes=(*notes, *filter(None, (position, batch))),
        decisions=selection.decisions,
        mixed_precision=mixed_precision,
        code=own_code,
        whole_documents_only=position,
        one_at_a_time=batch,
    )


def _log_choice(selection: Selection, notes: Sequence[str]) -> None:
    for each in selection.decisions:
        log.info("%s %r: %s", "kept" if each.kept else "left out", each.name, each.reason)
    log.info("left out: %s", describe_left_out(selection.decisions) or "nothing")
    for note in notes:
        log.info(note)


def _locate(source: Source, trained: Path | None, unpacked: Path) -> tuple[str, str | None]:
    if source.kind is SourceKind.TRAINED and trained is not None:
        return str(trained.resolve()), None
    if source.kind is SourceKind.DIRECTORY:
        return str(Path(source.name).resolve()), None
    if source.kind is SourceKind.PACKAGE:
        if package_directory(source.name) is None:
            download_package(source.name)
        return source.name.replace("-", "_"), None
    archive = fetch_archive(source.name, unpacked) if source.kind is SourceKind.URL else Path(source.name)
    package, directory = unpack_archive(archive, unpacked)
    return package, str(directory.resolve())


def _files(location: str, sys_path: str | None) -> tuple[Path, list[Path]]:
    path = _directory_of(str(Path(sys_path or "", location)))
    if path is None or not path.is_dir():
        raise ModelError(f"the pipeline {location!r} has gone from {sys_path or path or sys.prefix}")
    return path, source_files(Source(SourceKind.DIRECTORY, str(path)))


@contextmanager
def unchanged(pipeline: Pipeline) -> Iterator[None]:
    """Check, beside the block and at its end, that a pipeline's files are and stay those that were prepared.

    Raises:
        ModelError: one of them is another, or has gone.
    """
    before = _states(pipeline)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(_checksum_now, pipeline)
        yield
    if found.result() != pipeline.sha256 or _states(pipeline) != before:
        raise ModelError(
            f"the pipeline {pipeline.name} changed since the run began; run again: it is then prepared, and the corpus "
            f"annotated, as it is now"
        )


def _checksum_now(pipeline: Pipeline) -> str | None:
    root, files = _files(pipeline.location, pipeline.sys_path)
    try:
        return checksum_with_code(checksum(files, root), [Path(name) for name in pipeline.code])
    except FileNotFoundError:
        return None


def _states(pipeline: Pipeline) -> dict[Path, tuple[int, int] | None]:
    files = [*_files(pipeline.location, pipeline.sys_path)[1], *map(Path, pipeline.code)]
    return {path: state_of(path) for path in files}


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
    nlp = _load(pipeline.location, pipeline.sys_path, pipeline.code, exclude=pipeline.left_out)
    if pipeline.mixed_precision:
        changes = find_precision(nlp, pipeline.components)
        nlp = _load(pipeline.location, pipeline.sys_path, pipeline.code, exclude=pipeline.left_out, changes=changes)
    for name in pipeline.components:
        if name not in nlp.pipe_names:  # named in config, disabled in the pipeline's own
            nlp.enable_pipe(name)
    nlp.max_length = sys.maxsize  # a document is never refused for its length
    return nlp


def load_whole_pipeline(pipeline: Pipeline) -> Language:
    """Load the pipeline as the user has it: every component that is not disabled in it.

    Raises:
        ModelError: the pipeline has gone, or cannot be loaded.
    """
    nlp = _load(pipeline.location, pipeline.sys_path, pipeline.code, exclude=())
    nlp.max_length = sys.maxsize
    return nlp


def load_tokenizer(pipeline: Pipeline) -> Language:
    """Load a pipeline without any component.

    Raises:
        ModelError: the pipeline has gone, or cannot be loaded.
    """
    every = [*pipeline.components, *pipeline.left_out]
    nlp = _load(pipeline.location, pipeline.sys_path, pipeline.code, exclude=every)
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


def import_spacy_for(location: str, sys_path: str | None, code: Sequence[str] = ()) -> None:
    """Import spaCy as a pipeline needs it, let its package be found, and import the user's own code.

    Raises:
        ModelError: a file of the code has gone, or raises.
    """
    if sys_path is not None and sys_path not in sys.path:
        sys.path.insert(0, sys_path)
        importlib.invalidate_caches()
    import_spacy(None if code else _directory_of(location))  # code may import Torch, which has to come first
    import_code(code)


def _load(
    location: str,
    sys_path: str | None,
    code: Sequence[str],
    *,
    exclude: Sequence[str],
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> Language:
    import_spacy_for(location, sys_path, code)
    import spacy

    try:
        if Path(location).is_absolute():
            return spacy.util.load_model_from_path(Path(location), exclude=list(exclude), config=dict(changes))
        return spacy.util.load_model_from_package(location, exclude=list(exclude), config=dict(changes))
    except Exception as error:  # spaCy raises whatever a component's own code raises
        what = str(error).split("Available")[0].strip()  # spaCy lists all that it has, on several screens
        raise ModelError(
            f"model.name: the pipeline {location!r} cannot be loaded: {type(error).__name__}: {what}"
            f"{_advise(error, location, code)}"
        ) from error


def pipeline_bytes(pipeline: Pipeline) -> int:
    """Return the size of a pipeline's files but those of components that do not run: about that of its weights."""
    root = _directory_of(str(Path(pipeline.sys_path or "", pipeline.location)))
    files = (path for path in root.rglob("*") if path.is_file()) if root is not None else ()
    return sum(path.stat().st_size for path in files if not {*path.parts} & {*pipeline.left_out})


def _advise(error: Exception, location: str, code: Sequence[str]) -> str:
    """Return what to do about a pipeline that cannot be loaded, on lines of its own."""
    if "factory for 'curated_transformer'" in str(error):
        return "\nIts transformer needs spacy-curated-transformers and Torch; type:   tools/setup.sh run transformers"
    if not any(each in str(error) for each in _NOT_FOUND):
        return ""
    if code:
        return f"\nNone of the files of model.code defines it ({', '.join(code)}); add the one that does."
    directory = location if Path(location).is_absolute() else "path/to/model"
    return (
        "\nThe pipeline needs code that spaCy does not have. Name the Python file that defines it, and every process "
        "imports it:   model: {code: [components.py]}\n"
        "or build a package that holds the code, and name what it writes in dist/ as model.name:   "
        f"{sys.executable} -m spacy package {directory} packages --code components.py\n"
        "or, where a published package defines it, install that package"
    )


def describe_pipeline(pipeline: Pipeline) -> PipelineDescription:
    """Return what a reader of results should know of a pipeline."""
    return PipelineDescription(
        **{each.name: getattr(pipeline, each.name) for each in dataclasses.fields(PipelineDescription)}
    )


def write_pipeline(path: Path, pipeline: Pipeline) -> None:
    """Write the description of a pipeline; what was unpacked beside it is named from there."""
    directory = path.parent.resolve()
    if pipeline.sys_path is not None and Path(pipeline.sys_path).is_relative_to(directory):
        pipeline = replace(pipeline, sys_path=Path(pipeline.sys_path).relative_to(directory).as_posix())
    write_json(path, pipeline)


def read_pipeline(path: Path, model: ModelConfig | None = None) -> Pipeline:
    """Read what `write_pipeline` wrote.

    Args:
        path: the file.
        model: the settings, which say where the pipeline and its code lie now; None where nothing is to be loaded.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it does not describe a pipeline.
        ModelError: the pipeline or its code is gone.
    """
    found = read_json(path, Pipeline)
    if found.sys_path is not None:
        found = replace(found, sys_path=str((path.parent / found.sys_path).resolve()))
    if model is None:
        return found
    source = classify(model.name)
    if source.kind is SourceKind.DIRECTORY:
        found = replace(found, location=str(Path(source.name).resolve()), source=source.name)
    return replace(found, code=tuple(str(each.absolute()) for each in code_files(model.code)))
