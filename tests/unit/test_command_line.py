from __future__ import annotations

import pytest
from shardner.parse.command_line import describe_command, recall_command, remember_command


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["/home/a/.venv/bin/snakemake", "--cores", "2"], "snakemake --cores 2"),
        (["/x/snakemake/__main__.py", "--config", "model={name: en_x}"], "snakemake --config 'model={name: en_x}'"),
        (["snakemake", "--storage-s3-secret-key", "abc", "-n"], "snakemake --storage-s3-secret-key [hidden] -n"),
        (["snakemake", "--storage-s3-access-key=abc"], "snakemake '--storage-s3-access-key=[hidden]'"),
        (["snakemake", "--envvars-token", "--cores", "1"], "snakemake --envvars-token --cores 1"),
        (
            ["snakemake", "--config", "model={name: https://me:pw@host/a.whl}"],
            "snakemake --config 'model={name: https://[hidden]@host/a.whl}'",
        ),
        (["snakemake", "--keep-going", "results"], "snakemake --keep-going results"),
        ([], "snakemake"),
    ],
)
def test_a_command_is_shown_as_typed_but_for_secrets(arguments: list[str], shown: str) -> None:
    assert describe_command(arguments) == shown


def test_a_command_is_remembered_for_the_processes_that_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHARDNER_COMMAND", raising=False)
    assert recall_command() is None
    remember_command(["snakemake", "--cores", "1"])
    assert recall_command() == "snakemake --cores 1"
    remember_command(["snakemake", "--cores", "2"])
    assert recall_command() == "snakemake --cores 2"
