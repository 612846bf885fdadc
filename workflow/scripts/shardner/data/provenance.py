"""The provenance of a run, as ``provenance.json`` holds it: everything that someone needs to make the result again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shardner.data.manifest import InputFile
from shardner.data.typed_json import ABSENT_IF_NONE


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """Which code of this workflow ran."""

    version: str
    code: str  # a hash of the modules that annotate
    commit: str | None  # null where the code does not lie in a Git checkout


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a component of a pipeline runs, and why, as the end of a sentence."""

    name: str
    kept: bool
    reason: str
    on_purpose: bool = False  # left out though the recogniser reads what it writes: sentence starts


@dataclass(frozen=True, slots=True)
class PipelineDescription:
    """What a reader of results should know of the pipeline that made them.

    `location` is a directory or the name of a package.
    """

    location: str
    source: str
    name: str
    version: str
    lang: str
    sha256: str
    components: tuple[str, ...]
    left_out: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    decisions: tuple[Decision, ...]  # about each component, in the pipeline's order
    mixed_precision: bool = False  # transformers compute in half precision on a GPU
    code: tuple[str, ...] = ()  # Python files that were imported before it was loaded
    whole_documents_only: str | None = None  # why a long document may not be cut into windows, None where it may
    one_at_a_time: str | None = None  # why documents may not share a batch, None where they may


@dataclass(frozen=True, slots=True)
class ProvenanceDevice:
    """A device of a host that annotated. What only a GPU has is left out for a CPU."""

    host: str
    name: str
    uuid: str | None  # of a GPU
    memory_bytes: int | None = field(default=None, metadata=ABSENT_IF_NONE)
    driver: str | None = field(default=None, metadata=ABSENT_IF_NONE)
    cuda: str | None = field(default=None, metadata=ABSENT_IF_NONE)


@dataclass(frozen=True, slots=True)
class Host:
    """A host on which jobs annotated. What its jobs did not record is left out."""

    name: str
    cores: int | None = field(default=None, metadata=ABSENT_IF_NONE)
    memory_bytes: int | None = field(default=None, metadata=ABSENT_IF_NONE)


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a result was made."""

    shardner: CodeVersion
    command: str | None  # as the user typed it; null where it is not known
    config: Mapping[str, Any]  # the settings as run, defaults filled in
    read_as: str | None  # how the input files were read, in words; null where it is not known
    inputs: tuple[InputFile, ...]
    model: PipelineDescription
    engines: tuple[str, ...]  # with the reason for each
    devices: tuple[ProvenanceDevice, ...]
    hosts: tuple[Host, ...]
    packages: Mapping[str, str]  # versions by name
    python: str
    platform: str
