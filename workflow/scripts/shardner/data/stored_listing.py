"""Which files of a storage a URL stands for: one, those that match a pattern, or a whole folder."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shardner.data.stored_files import (
    DATASET,
    HUB_TOKEN,
    TRIES,
    WAIT_S,
    StoredFile,
    change_number,
    find_place,
    hint_at_rights,
    hub_url,
    look_up,
    url_of,
    with_named_errors,
)
from shardner.errors import StorageError


def list_stored(url: str) -> list[StoredFile]:
    """Return the files that a URL stands for, by name.

    These are one; those that match a pattern; or all below a URL that ends in ``/``.

    Raises:
        OSError: the storage cannot be listed.
        ValueError: a pattern where there is no listing; or no file is named.
    """
    if not url.partition("://")[2].partition("/")[2] and not url.endswith("/"):
        raise ValueError("it names no file; for all files in it, let it end with /")
    base = url if url.endswith("/") else url[: _first_magic(url)].rpartition("/")[0] + "/"
    if not url.endswith("/") and _first_magic(url) == len(url):
        return [look_up(Path(url))]
    if url.startswith(("http://", "https://")):
        raise ValueError("a web server does not list its files; write the URL of each file")
    files = _list_hub(base) if url.startswith("hf://") else _list_store(base)
    wanted = re.compile(_translate(url) if not url.endswith("/") else re.escape(url) + ".*", re.DOTALL)
    return sorted(file for file in files if wanted.fullmatch(url_of(file.path)))


def _list_store(base: str) -> Iterator[StoredFile]:
    import obstore

    path = Path(base)
    scheme, place = str(path).partition(":/")[0], find_place(path)
    prefix = base.partition("://")[2].partition("/")[2]
    pages = with_named_errors(path, lambda: list(obstore.list(place.store(), prefix=prefix or None)))
    for file in (each for page in pages for each in page):
        host = str(path).partition(":/")[2].partition("/")[0]
        yield StoredFile(Path(f"{scheme}://{host}/{file['path']}"), file["size"], change_number(file))


def _list_hub(base: str) -> Iterator[StoredFile]:
    dataset = DATASET.fullmatch(base.removeprefix("hf://"))
    if dataset is None:
        raise StorageError(f"{base}: write  hf://datasets/OWNER/NAME/PATH")
    name, revision, prefix = dataset.groups()
    inside = f"/{quote(prefix.rstrip('/'))}" if prefix.rstrip("/") else ""
    url: str | None = (
        f"{hub_url()}/api/datasets/{name}/tree/{quote(revision or 'main', safe='')}{inside}?recursive=true"
    )
    at = f"@{revision}" if revision else ""
    while url is not None:
        entries, url = _ask_hub(url)
        for entry in entries:
            if entry.get("type") == "file":
                path = Path(f"hf://datasets/{name}{at}/{entry['path']}")
                yield StoredFile(path, int(entry["size"]), int(str(entry["oid"])[:15], 16))


def _ask_hub(url: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of a listing, and the URL of the next one."""
    token = os.environ.get(HUB_TOKEN)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    for attempt in range(TRIES):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                following = re.search(r'<([^>]+)>;\s*rel="next"', response.headers.get("Link") or "")
                # the token, if there is one, goes to nobody else
                ours = following is not None and following[1].startswith(f"{hub_url()}/")
                return json.load(response), following[1] if following and ours else None
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise StorageError(f"{url}: {error.code} {error.reason}; {hint_at_rights('hf')}") from error
        except (urllib.error.URLError, TimeoutError, ValueError):
            pass
        time.sleep(WAIT_S * 2**attempt)
    raise StorageError(f"{url}: cannot be reached")


def _first_magic(url: str) -> int:
    """Return where the first character of a pattern stands; the length of the URL if it holds none."""
    return min((at for at in map(url.find, "*?[") if at >= 0), default=len(url))


def _translate(pattern: str) -> str:
    """Return the regular expression for a pattern: ``*`` and ``?`` stay within a name, ``**`` is any number of them."""
    found, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            found, at = found + "(?:[^/]+/)*", at + 3
        elif pattern.startswith("**", at):
            found, at = found + ".*", at + 2
        elif (end := pattern.find("]", at + 2)) > 0 and pattern[at] == "[":
            inside = pattern[at + 1 : end].replace("\\", "\\\\")
            found, at = found + f"[{'^' + inside[1:] if inside[0] == '!' else inside}]", end + 1
        else:
            found += {"*": "[^/]*", "?": "[^/]"}.get(pattern[at], re.escape(pattern[at]))
            at += 1
    return found
