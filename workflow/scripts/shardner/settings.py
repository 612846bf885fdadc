"""The settings of a run: checked against the schema, and completed with its defaults.

The schema (`workflow/schemas/config.schema.yaml`) is the one place that knows names, allowed values and defaults.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from shardner.errors import ConfigError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

SCHEMA_PATH = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"
#: Eight times as fast as the one in Python, where it is there.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_schema() -> dict[str, Any]:
    """Return the schema of the settings."""
    schema: dict[str, Any] = yaml.load(SCHEMA_PATH.read_text("utf-8"), Loader=_Loader)
    return schema


def complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Check settings against the schema and return them with every default filled in.

    Raises:
        ConfigError: names the key, the value found, what is allowed, and the line to write instead.
    """
    schema = load_schema()
    settings = _with_types(settings, schema)
    errors = list(_validator(schema).iter_errors(settings))
    if errors:
        unknown = [error for error in errors if error.validator == "additionalProperties"]
        raise ConfigError("\n".join(_explain(error, schema) for error in unknown or errors))
    values: dict[str, Any] = _with_defaults(settings, schema)
    return values


def fill_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with every default filled in, without a check."""
    schema = load_schema()
    values: dict[str, Any] = _with_defaults(_with_types(settings, schema), schema)
    return values


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # takes a tenth of a second, and most jobs check nothing

    return Draft202012Validator(dict(schema))


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
        parsed = yaml.load(value, Loader=_Loader)
    except yaml.YAMLError:
        return value
    if parsed == value:
        return value
    check = _validator(schema)
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
