"""Whose results lie in a directory. One run at a time writes there, and it is always the same one.

Snakemake's lock, and its memory of settings and inputs, belong to the directory in which it was started. Somebody may
start it elsewhere with the same ``output.dir``: Snakemake would take another corpus's results for finished ones. So the
directory of results has an owner: a key that lies there, and beside Snakemake's memory. Where the keys differ, the run
must at least have the same name: the same settings and inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from shardner.data.files import state_of, write_text_atomically
from shardner.data.stored_files import is_stored
from shardner.errors import ConfigError

#: Snakemake's directory in the one where it was started; the keys of the results made from there lie in it.
MEMORY = Path(".snakemake")
#: The locks that this process holds until it ends.
_held: list[object] = []


@dataclass(frozen=True, slots=True)
class Owner:
    """Who writes into a directory of results.

    Attributes:
        key: random; also in the directory where the run was started.
        name: of the run, from `name_run`.
        directory: where the run was started.
        host: of the last process that ran it.
        pid: of that process.
    """

    key: str
    name: str
    directory: str
    host: str
    pid: int


def name_run(settings: Mapping[str, Any], inputs: Mapping[str, Sequence[Path]]) -> str:
    """Return the name of a run: equal for equal settings and the same files, wherever it is started.

    Args:
        settings: those that change results, without the files.
        inputs: the files, by the setting that names them.
    """
    states = {setting: [(_place_of(path), state_of(path)) for path in paths] for setting, paths in inputs.items()}
    text = json.dumps([settings, states], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _place_of(path: Path) -> str:
    return str(path if is_stored(path) else path.resolve())


def check_owner(output: Path, name: str | None = None) -> None:
    """Refuse to run on the results of another run.

    Args:
        output: the directory of results.
        name: of this run; None in a job, whose run has taken the directory already.

    Raises:
        ConfigError: they are of a run that was started elsewhere, with another corpus or other settings.
    """
    owner = _read_owner(output)
    if owner is None or owner.key in _read_keys() or owner.name == name:
        return
    raise ConfigError(
        f"output.dir: {output} holds the results of another run, which was started in {owner.directory} with another "
        f"corpus or other settings. Start snakemake there, or choose another directory:   output: {{dir: results-2}}\n"
        f"To give those results up, delete {_owner_path(output).parent}"
    )


def take(output: Path, name: str) -> None:
    """Take a directory of results for this process, until it ends, and write down whose it is.

    Raises:
        ConfigError: another run writes there now, or the results are another run's.
    """
    from filelock import FileLock, Timeout

    path = _owner_path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name("lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        owner = _read_owner(output)
        who = f" (process {owner.pid} on {owner.host}, started in {owner.directory})" if owner else ""
        raise ConfigError(
            f"output.dir: another run{who} writes into {output} now; wait until it has ended, or choose another "
            f"directory:   output: {{dir: results-2}}"
        ) from None
    except NotImplementedError:  # the file system has no locks
        pass
    _held.append(lock)
    check_owner(output, name)
    owner = _read_owner(output)
    key = owner.key if owner else token_hex(16)
    now = Owner(key, name, str(Path.cwd()), socket.gethostname(), os.getpid())
    write_text_atomically(path, json.dumps(asdict(now)) + "\n")
    keys = _read_keys()
    if key not in keys:
        write_text_atomically(_keys_path(), json.dumps([*keys, key]) + "\n")


def _owner_path(output: Path) -> Path:
    return output / ".work" / "owner.json"


def _keys_path() -> Path:
    return MEMORY / "shardner" / "keys.json"


def _read_owner(output: Path) -> Owner | None:
    values = _read_json(_owner_path(output))
    try:
        return Owner(**values) if isinstance(values, dict) else None
    except TypeError:
        return None


def _read_keys() -> list[str]:
    values = _read_json(_keys_path())
    return [str(key) for key in values] if isinstance(values, list) else []


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
