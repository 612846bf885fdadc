from typing import Any

import pytest
import yaml
from making import ROOT
from shardner.config import RESERVED_COLUMNS, Config, parse_config, read_config
from shardner.data.tables import SHARD_DOCUMENTS, WINDOWS
from shardner.errors import ConfigError
from shardner.settings import complete, load_schema


def shipped() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


def test_the_shipped_configuration_holds_exactly_the_defaults_of_the_schema() -> None:
    assert shipped() == complete({})


def test_the_readme_lists_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for section, values in complete({}).items():
        for key, default in values.items():
            shown = "null" if default is None else yaml.safe_dump(default, default_flow_style=True).splitlines()[0]
            assert f"| `{section}.{key}` | `{shown}` |" in readme


def test_every_setting_is_described_and_every_object_closed() -> None:
    def walk(schema: dict[str, Any]) -> None:
        assert schema.get("description")
        if "properties" in schema:
            assert schema["additionalProperties"] is False
            for each in schema["properties"].values():
                walk(each)
        else:
            assert "default" in schema

    walk(load_schema())


def test_nothing_given_is_the_demo() -> None:
    config = parse_config({})
    assert isinstance(config, Config)
    assert config.corpus.files == ("demo/*.txt",) and config.model.name == "demo"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"corpus": {"files": ["a.jsonl"], "keep": ["x"]}, "output": {"attributes": ["score"]}, "shards": {"count": 3}},
        # as Snakemake's --config gives them
        {"corpus": {"files": ["a.jsonl"], "id": "null"}, "shards": {"count": "3"}, "ner": {"audit": "0.5"}},
        {"model": {"name": "3", "mixed_precision": "false"}, "windows": {"max_chars": "2000"}, "corpus": {"id": "12"}},
    ],
)
def test_a_job_reads_what_the_parse_has_checked(settings: Any) -> None:
    assert read_config(settings) == parse_config(settings)


@pytest.mark.parametrize(
    ("settings", "named", "meant"),
    [
        ({"modle": {}}, "modle", "'model'"),
        ({"corpus": {"file": ["a.jsonl"]}}, "corpus.file", "'corpus.files'"),
        ({"corpus": {"txt": "body"}}, "corpus.txt", "'corpus.text'"),
        ({"ner": {"batch_token": 5}}, "ner.batch_token", "'ner.batch_tokens'"),
        ({"output": {"directory": "x"}}, "output.directory", "'output.dir'"),
        ({"shards": {"number": 3}}, "shards.number", "'shards.count'"),
        ({"threads": 2}, "threads", "'ner.threads'"),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_right_one(settings: Any, named: str, meant: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(settings)
    assert str(error.value).startswith(f"{named}: there is no such setting; ")
    assert meant in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ner": {"engine": "fast"}}, "ner.engine: 'fast' is not allowed; one of auto, fused, spacy"),
        ({"ner": {"engine": "fast"}}, "for example:  ner: {engine: auto}"),
        ({"shards": {"count": 0}}, "shards.count: 0 is not allowed; auto or an integer of 1 or more"),
        ({"shards": {"count": "ten"}}, "shards.count: 'ten' is not allowed"),
        ({"corpus": {"files": "news.jsonl"}}, "corpus.files: 'news.jsonl' is not allowed; a list that is not empty"),
        ({"corpus": {"files": []}}, "corpus.files: [] is not allowed"),
        ({"corpus": {"on_bad_record": "skip"}}, "one of reject, fail"),
        ({"output": {"formats": ["xml"]}}, "output.formats"),
        ({"output": {"redact": "[{text}]"}}, "redact: '[{label}]'"),
        ({"output": {"redact": "{label"}}, "redact: '[{label}]'"),
        ({"output": {"redact": "{label!r}"}}, "redact: '[{label}]'"),
        ({"output": {"redact": "{label.__class__}"}}, "redact: '[{label}]'"),
        ({"ner": {"audit": 2}}, "ner.audit: 2 is not allowed; a number of 0 or more, 1 at most"),
        ({"model": {"components": []}}, "model.components: [] is not allowed"),
        ({"corpus": None}, "corpus: None is not allowed; a mapping"),
    ],
)
def test_a_bad_value_is_shown_with_the_allowed_ones(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match="is not allowed") as error:
        parse_config(settings)
    assert message in str(error.value)


def test_texts_from_a_command_line_take_the_type_that_the_schema_wants() -> None:
    given = {
        "shards": {"count": "64"},
        "ner": {"audit": "0.5", "threads": "auto"},
        "corpus": {"id": "null", "text": "5"},
    }
    config = parse_config(given)
    assert (config.shards, config.ner.audit, config.ner.threads) == (64, 0.5, "auto")
    assert (config.corpus.id, config.corpus.text) == (None, "5")


def test_reserved_columns_are_those_of_the_tables() -> None:
    assert {*SHARD_DOCUMENTS, *WINDOWS} == RESERVED_COLUMNS


def test_a_kept_column_must_not_take_the_name_of_one_that_is_there_anyway() -> None:
    with pytest.raises(ConfigError, match=r"corpus\.keep: 'tokens' is the name of a column"):
        parse_config({"corpus": {"keep": ["source", "tokens"]}})


def test_a_corpus_that_is_generated_stands_alone() -> None:
    with pytest.raises(ConfigError, match="stands alone"):
        parse_config({"corpus": {"files": ["generated", "mine.jsonl"]}})
