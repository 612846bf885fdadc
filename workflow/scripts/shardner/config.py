"""The configuration, typed. What its settings are called, and what they may be, `settings` knows."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from shardner.errors import ConfigError
from shardner.settings import complete, fill_in

#: Columns that documents.parquet or a shard has anyway; `data.tables` is not imported for them, for it takes Polars.
RESERVED_COLUMNS = frozenset(
    ("candidates", "chars", "doc", "entities", "file", "id", "row", "sentence_starts", "shard", "span_count",
     "start", "text", "tokens", "window", "windows")
)  # fmt: skip

Auto = Literal["auto"]
AUTO: Auto = "auto"


class Layout(StrEnum):
    """How the tables of results lie on disk."""

    FILE = "file"
    DATASET = "dataset"


#: What ``corpus.files`` names where the workflow is to generate the corpus.
GENERATED = "generated"
#: The column that says which field of its record a document is, where ``corpus.text`` is a list of columns.
FIELD = "field"
#: What stands behind the name of an encoding where a carriage return alone ends a line.
CARRIAGE_RETURNS = "-cr"
#: The encoding of text where the settings say nothing else.
UTF8 = "utf-8"
#: Encodings of Python's that are for names of hosts and for literals, not for files.
_OF_NO_FILE = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "unicode-escape", "raw-unicode-escape")


class Unit(StrEnum):
    """What is a document of a plain text file."""

    LINE = "line"
    FILE = "file"


class Quoting(StrEnum):
    """What a quotation mark means in a CSV or TSV file."""

    AUTO = "auto"
    STANDARD = "standard"  # it stands around a field; in it, two of them are one
    NONE = "none"  # it is a character like others
    BACKSLASH = "backslash"  # it stands around a field; in it, a backslash stands before a mark and before a backslash


class OnBadRecord(StrEnum):
    """What becomes of a record that cannot be read."""

    REJECT = "reject"
    FAIL = "fail"


class PrepareChoice(StrEnum):
    """Where a cluster's user wants the pipeline to be prepared."""

    AUTO = "auto"
    LOCAL = "local"
    JOB = "job"


class DeviceChoice(StrEnum):
    """Where the user wants to annotate."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"


class EngineChoice(StrEnum):
    """Which engine the user wants."""

    AUTO = "auto"
    FUSED = "fused"
    SPACY = "spacy"


@dataclass(frozen=True, slots=True)
class CorpusConfig:
    """What to annotate.

    `text` is the column of the text. Where the setting is a list of columns, these are the `fields`, each of which
    gives a document a record, and `text` is the first.
    """

    files: tuple[str, ...]
    text: str
    fields: tuple[str, ...]
    id: str | None
    keep: tuple[str, ...]
    unit: Unit
    format: str
    delimiter: str
    quoting: Quoting
    encoding: str
    on_bad_record: OnBadRecord


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which pipeline annotates; `components` is ``"auto"``, ``"all"`` or names."""

    name: str
    components: str | tuple[str, ...]
    prepare: PrepareChoice
    mixed_precision: bool
    code: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NerConfig:
    """How a shard is annotated."""

    engine: EngineChoice
    device: DeviceChoice
    threads: int | Auto
    batch_tokens: int | Auto
    audit: float
    timeout_s: float | Auto


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Where results go."""

    dir: Path
    formats: tuple[str, ...]
    redact: str
    csv_for_spreadsheets: bool
    layout: Layout
    attributes: tuple[str, ...]
    spans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. `shards` is the number of shards, `max_chars` the longest window in code points.

    `verify_share` is the share of documents that `snakemake verify` compares, `max_rejected` the share of records that
    may be rejected.
    """

    corpus: CorpusConfig
    model: ModelConfig
    shards: int | Auto
    max_chars: int
    ner: NerConfig
    output: OutputConfig
    verify_share: float
    max_rejected: float


def _encoding(name: str) -> str:
    """Return the usual name of an encoding of text; see `corpus.encodings` for names that end with ``-cr``."""
    encoding = name.lower().removesuffix(CARRIAGE_RETURNS)
    try:
        "".encode(encoding)
        found = codecs.lookup(encoding).name
        if found in _OF_NO_FILE:
            raise LookupError
    except (LookupError, UnicodeError):
        raise ConfigError(
            f"corpus.encoding: {name!r} is no encoding of text that Python knows; write, for example, one of  "
            f"utf-8, utf-16, cp1252 (Windows, western Europe), latin-1, cp1251 (Cyrillic), shift_jis, gb18030"
        ) from None
    found = UTF8 if found in (UTF8, "utf-8-sig", "ascii") else found
    return found if encoding == name.lower() else found + CARRIAGE_RETURNS


def _template(template: str) -> str:
    """Return what stands for an entity where it is replaced, if it names nothing but its label."""
    try:
        fields = {tuple(field) for _, *field in Formatter().parse(template) if field[0] is not None}
        if fields <= {("label", "", None)}:
            return template
    except ValueError:
        pass
    raise ConfigError(
        f"output.redact: {template!r} is not allowed; a text in which {{label}} stands for the label of an entity, and "
        f"braces of its own are doubled\n  for example:  output: {{redact: '[{{label}}]'}}"
    )


def parse_config(settings: Mapping[str, Any]) -> Config:
    """Check settings, fill in defaults, and return them typed.

    Raises:
        ConfigError: as `complete`, and where two settings contradict each other.
    """
    return _type(complete(settings))


def read_config(settings: Mapping[str, Any]) -> Config:
    """Do what `parse_config` does, faster, for a job: with settings that the workflow has checked already."""
    return _type(fill_in(settings))


def _type(values: Mapping[str, Any]) -> Config:
    corpus, model, ner, output = values["corpus"], values["model"], values["ner"], values["output"]
    components = model["components"]
    config = Config(
        corpus=CorpusConfig(
            files=tuple(corpus["files"]),
            text=corpus["text"] if isinstance(corpus["text"], str) else corpus["text"][0],
            fields=() if isinstance(corpus["text"], str) else tuple(corpus["text"]),
            id=corpus["id"],
            keep=tuple(corpus["keep"]),
            unit=Unit(corpus["unit"]),
            format=corpus["format"],
            delimiter=corpus["delimiter"],
            quoting=Quoting(corpus["quoting"]),
            encoding=_encoding(corpus["encoding"]),
            on_bad_record=OnBadRecord(corpus["on_bad_record"]),
        ),
        model=ModelConfig(
            name=model["name"],
            components=components if isinstance(components, str) else tuple(components),
            prepare=PrepareChoice(model["prepare"]),
            mixed_precision=model["mixed_precision"],
            code=tuple(model["code"]),
        ),
        shards=values["shards"]["count"],
        max_chars=values["windows"]["max_chars"],
        ner=NerConfig(
            engine=EngineChoice(ner["engine"]),
            device=DeviceChoice(ner["device"]),
            threads=ner["threads"],
            batch_tokens=ner["batch_tokens"],
            audit=float(ner["audit"]),
            timeout_s=ner["timeout_s"],
        ),
        output=OutputConfig(
            dir=Path(output["dir"]),
            formats=tuple(output["formats"]),
            redact=_template(output["redact"]),
            csv_for_spreadsheets=output["csv_for_spreadsheets"],
            layout=Layout(output["layout"]),
            attributes=tuple(output["attributes"]),
            spans=tuple(output["spans"]),
        ),
        verify_share=float(values["verify"]["share"]),
        max_rejected=float(corpus["max_rejected"]),
    )
    _refuse_contradictions(config.corpus)
    return config


def _refuse_contradictions(corpus: CorpusConfig) -> None:
    for column in [corpus.text, *corpus.fields, *([corpus.id] if corpus.id else []), *corpus.keep]:
        if column == "*" or (column.startswith("^") and column.endswith("$")) or "\0" in column:
            raise ConfigError(f"corpus: {column!r} is read as a pattern, not as a column's name; rename the column")
    for column in corpus.keep:
        if column in RESERVED_COLUMNS:
            raise ConfigError(
                f"corpus.keep: {column!r} is the name of a column that documents.parquet or a shard has anyway; "
                f"rename the column in the input, or leave it out of corpus.keep"
            )
    if corpus.fields and FIELD in corpus.keep:
        raise ConfigError(
            f"corpus.keep: with several columns of text, documents.parquet has a column {FIELD!r} that says which "
            f"one a document is; rename the column in the input, or leave it out of corpus.keep"
        )
    if GENERATED in corpus.files and len(corpus.files) > 1:
        raise ConfigError(
            f"corpus.files: '{GENERATED}' stands alone; write `files: [{GENERATED}]` or only your own files"
        )
