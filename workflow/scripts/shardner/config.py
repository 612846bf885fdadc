"""The configuration: checked against the schema, completed with its defaults, and typed.

The schema (`workflow/schemas/config.schema.yaml`) is the one place that knows names, allowed values and defaults.
"""

from __future__ import annotations

import codecs
import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Any, Literal

import jsonschema
import yaml
from jsonschema.exceptions import ValidationError

from shardner.errors import ConfigError

#: Columns that documents.parquet or a shard has anyway; `data.tables` is not imported for them, for it takes Polars.
RESERVED_COLUMNS = frozenset(
    ("candidates", "chars", "doc", "entities", "file", "id", "row", "sentence_starts", "shard", "span_count",
     "start", "text", "tokens", "window", "windows")
)  # fmt: skip

SCHEMA_PATH = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"

Auto = Literal["auto"]
AUTO: Auto = "auto"


class Layout(StrEnum):
    """How the tables of results lie on disk."""

    FILE = "file"
    DATASET = "dataset"


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


def load_schema() -> dict[str, Any]:
    """Return the schema of the configuration."""
    schema: dict[str, Any] = yaml.safe_load(SCHEMA_PATH.read_text("utf-8"))
    return schema


def complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Check settings against the schema and return them with every default filled in.

    Raises:
        ConfigError: names the key, the value found, what is allowed, and the line to write instead.
    """
    schema = load_schema()
    settings = _with_types(settings, schema)
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(settings))
    if errors:
        unknown = [error for error in errors if error.validator == "additionalProperties"]
        raise ConfigError("\n".join(_explain(error, schema) for error in unknown or errors))
    values: dict[str, Any] = _with_defaults(settings, schema)
    return values


def parse_config(settings: Mapping[str, Any]) -> Config:
    """Check settings, fill in defaults, and return them typed.

    Raises:
        ConfigError: as `complete`, and where two settings contradict each other.
    """
    values = complete(settings)
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
    if "demo" in corpus.files and len(corpus.files) > 1:
        raise ConfigError("corpus.files: 'demo' stands alone; write `files: [demo]` or only your own files")


def _with_types(value: Any, schema: Mapping[str, Any]) -> Any:
    """Give texts the type that the schema wants: Snakemake's ``--config`` makes a text of every value."""
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        return {key: _with_types(each, properties.get(key, {})) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    if value == "null" and "null" in schema.get("type", ()):
        return None
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    check = jsonschema.Draft202012Validator(dict(schema))
    return parsed if check.is_valid(parsed) and not check.is_valid(value) else value


def _with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    properties = schema.get("properties")
    if properties is None:
        return copy.deepcopy(value)
    return {key: _with_defaults(value.get(key, sub["default"]), sub) for key, sub in properties.items()}


def _explain(error: ValidationError, schema: Mapping[str, Any]) -> str:
    path = [str(part) for part in error.absolute_path]
    if error.validator == "additionalProperties":
        known = list(_setting(path, schema)["properties"])
        found: Mapping[str, Any] = dict(error.instance)  # type: ignore[arg-type]
        unknown = [key for key in found if key not in known]
        return "\n".join(_explain_unknown(path, str(key), known, schema) for key in unknown)
    key = ".".join(path) or "the configuration"
    setting = _setting(path, schema)
    lines = [f"{key}: {error.instance!r} is not allowed; {_allowed(setting)}"]
    if len(path) >= 2 and "default" in setting:
        lines.append(f"  for example:  {_yaml_line(path, setting['default'])}")
    return "\n".join(lines)


def _explain_unknown(path: list[str], key: str, known: list[str], schema: Mapping[str, Any]) -> str:
    dotted = ".".join([*path, key])
    elsewhere = {
        name: f"{section}.{name}" for section, sub in schema["properties"].items() for name in sub.get("properties", {})
    }
    if key in elsewhere:
        hint = f"did you mean {elsewhere[key]!r}?"
    elif near := [name for name in known if key.startswith(name)] or difflib.get_close_matches(key, known, 1, 0.5):
        hint = f"did you mean {'.'.join([*path, near[0]])!r}?"
    elif near := difflib.get_close_matches(key, elsewhere, n=1, cutoff=0.75):
        hint = f"did you mean {elsewhere[near[0]]!r}?"
    else:
        nearest = max(known, key=lambda name: difflib.SequenceMatcher(None, key, name).ratio())
        hint = f"the nearest is {'.'.join([*path, nearest])!r}"
    return f"{dotted}: there is no such setting; {hint} (here: {', '.join(known)})"


def _setting(path: list[str], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for part in path:
        if part.isdigit() and "items" in schema:
            schema = schema["items"]
        elif part in schema.get("properties", {}):
            schema = schema["properties"][part]
        else:
            break
    return schema


def _allowed(setting: Mapping[str, Any]) -> str:
    if "oneOf" in setting:
        return " or ".join(_allowed(each) for each in setting["oneOf"])
    if "title" in setting:
        return str(setting["title"])
    if "enum" in setting:
        return "one of " + ", ".join(str(each) for each in setting["enum"])
    if "const" in setting:
        return str(setting["const"])
    kinds = setting.get("type", "value")
    words = {"array": "a list", "integer": "an integer", "string": "a text", "object": "a mapping", "null": "null"}
    text = " or ".join(words.get(kind, f"a {kind}") for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if "items" in setting and "enum" in setting["items"]:
        text += " of " + ", ".join(setting["items"]["enum"])
    if "contains" in setting:
        text += f", {setting['contains']['const']} among them"
    if "exclusiveMinimum" in setting:
        text += f" above {setting['exclusiveMinimum']}"
    if "minimum" in setting:
        text += f" of {setting['minimum']} or more"
    if "maximum" in setting:
        text += f", {setting['maximum']} at most"
    if setting.get("minItems") or setting.get("minLength"):
        text += " that is not empty"
    return text


def _yaml_line(path: list[str], value: Any) -> str:
    shown = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
    section, key = path[0], path[1]
    return f"{section}: {{{key}: {shown}}}"
