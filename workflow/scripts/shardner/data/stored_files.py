"""Files that lie in a storage (S3, Google Cloud, Azure, a web server, Hugging Face): read in place, by ranges.

Such a file is named by a path that holds its URL, with one slash where the URL has two: ``s3:/bucket/key``. So whatever
takes the path of a file takes it, and only what opens a file or asks for its size has to ask here.

The storages are read through obstore (https://developmentseed.org/obstore). It takes endpoint, region and credentials
from the environment, under the names that the storages' own programs use, and tries a request again that fails.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote

from shardner.errors import StorageError

#: The schemes of URLs that are read here. Others are for the storage plugins of Snakemake.
SCHEMES = ("s3", "gs", "az", "http", "https", "hf")
_URL = re.compile(rf"^({'|'.join(SCHEMES)}):/(?!/)")
#: How many bytes are asked for at once, at least.
_CHUNK_BYTES = 1 << 20
#: A stream that breaks is taken up again where it was, so often, after so many seconds and twice as many each time.
TRIES = 5
WAIT_S = 0.2
#: Where Hugging Face is, unless this variable says it.
_HUB, _HUB_VARIABLE, HUB_TOKEN = "https://huggingface.co", "HF_ENDPOINT", "HF_TOKEN"
DATASET = re.compile(r"datasets/([^/]+/[^/@]+)(?:@([^/]+))?/(.*)", re.DOTALL)
_SECRET_HINTS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_SKIP_SIGNATURE=true for what is public), AWS_REGION, "
    "and AWS_ENDPOINT_URL for another server than Amazon's",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS (or GOOGLE_SKIP_SIGNATURE=true for what is public)",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_SAS_TOKEN",
    "hf": "HF_TOKEN",
}
#: What storages say where one may not read.
_REFUSED = re.compile(r"credential|signature|40[13]|token", re.IGNORECASE)
T = TypeVar("T")
_KNOWN: dict[Path, StoredFile] = {}


class StoredFile(NamedTuple):
    """A file in a storage."""

    path: Path
    size: int  # bytes
    modified_ns: int  # or another number that changes with the file, where the storage gives no time


def is_stored(path: Path) -> bool:
    """Tell whether a path stands for a file in a storage."""
    return _URL.match(str(path)) is not None


def url_of(path: Path) -> str:
    """Return the URL of a file in a storage."""
    scheme, _, rest = str(path).partition(":/")
    return f"{scheme}://{rest}"


def open_binary(path: Path) -> io.RawIOBase:
    """Open a file for reading, wherever it lies; not buffered.

    Raises:
        OSError: it cannot be read.
    """
    if not is_stored(path):
        return path.open("rb", buffering=0)
    return _StoredReader(path)


def buffered(path: Path) -> io.BufferedReader:
    """Open a file for buffered reading, wherever it lies.

    Raises:
        OSError: it cannot be read.
    """
    return io.BufferedReader(open_binary(path), _CHUNK_BYTES)


def size_of(path: Path) -> int:
    """Return the bytes of a file, wherever it lies.

    Raises:
        OSError: it is not there.
    """
    return look_up(path).size if is_stored(path) else path.stat().st_size


def remember(files: Iterable[StoredFile]) -> None:
    """Let `look_up` of this process answer with what is known of files."""
    _KNOWN.update((file.path, file) for file in files)


def look_up(path: Path) -> StoredFile:
    """Ask a storage for a file, unless it is known.

    Raises:
        OSError: it is not there, or may not be read.
    """
    import obstore

    if path in _KNOWN:
        return _KNOWN[path]
    place = find_place(path)
    found = with_named_errors(path, lambda: obstore.head(place.store(), place.key))
    return StoredFile(path, found["size"], change_number(found))


def polars_source(path: Path) -> str | Path:
    """Return what Polars opens a table by."""
    if not is_stored(path):
        return path
    # Polars knows Hugging Face, and takes HF_TOKEN, but not another endpoint
    if str(path).startswith(("http:", "https:")) or (str(path).startswith("hf:") and hub_url() != _HUB):
        place = find_place(path)
        return f"{place.base}/{quote(place.key)}"
    return url_of(path)


class Place(NamedTuple):
    """Where a file is: the URL of its store, and its key there."""

    base: str
    key: str

    def store(self) -> Any:
        """Return the store."""
        return _open_store(self.base)


def find_place(path: Path) -> Place:
    """Return where a file is.

    Raises:
        StorageError: it is of Hugging Face, and the URL does not name a file of a dataset.
    """
    scheme, _, rest = str(path).partition(":/")
    if scheme == "hf":
        dataset = DATASET.fullmatch(rest)
        if dataset is None:
            raise StorageError(f"{url_of(path)}: write  hf://datasets/OWNER/NAME/PATH")
        name, revision, key = dataset.groups()
        return Place(f"{hub_url()}/datasets/{name}/resolve/{quote(revision or 'main', safe='')}", key)
    host, _, key = rest.partition("/")
    return Place(f"{scheme}://{host}", unquote(key) if scheme in ("http", "https") else key)


@cache
def _open_store(base: str) -> Any:
    from obstore import store

    from_url: Callable[..., Any] = store.from_url
    retry = {"max_retries": TRIES}
    if not base.startswith(("http://", "https://")):
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        return from_url(base, retry_config=retry, client_options={"allow_http": True} if plain else {})
    options: dict[str, Any] = {"allow_http": base.startswith("http://")}
    if base.startswith(hub_url() + "/") and (token := os.environ.get(HUB_TOKEN)):
        options["default_headers"] = {"Authorization": f"Bearer {token}"}
    return from_url(base, retry_config=retry, client_options=options)


def hub_url() -> str:
    """Return where Hugging Face is."""
    return os.environ.get(_HUB_VARIABLE, _HUB).rstrip("/")


class _StoredReader(io.RawIOBase):
    """A file in a storage, read from anywhere on. A stream that breaks is taken up again where it was."""

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, find_place(path)
        self._position, self._rest = 0, memoryview(b"")
        self._pieces: Iterator[Any] | None = None
        self._size: int | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {
            io.SEEK_SET: 0,
            io.SEEK_CUR: self._position,
            io.SEEK_END: self._length() if whence == io.SEEK_END else 0,
        }
        target = max(base[whence] + offset, 0)
        if target != self._position:
            self._position, self._rest, self._pieces = target, memoryview(b""), None
        return target

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._rest = memoryview(with_named_errors(self._path, self._next_piece))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        self._position += size
        return size

    def _length(self) -> int:
        if self._size is None:
            self._size = look_up(self._path).size
        return self._size

    def _next_piece(self) -> bytes:
        for attempt in range(TRIES):
            try:
                if self._pieces is None:
                    self._pieces = self._open()
                return bytes(next(self._pieces, b""))
            except (FileNotFoundError, PermissionError):
                raise
            except Exception:  # whatever a broken connection is called
                self._pieces = None
                if attempt + 1 == TRIES:
                    raise
                time.sleep(WAIT_S * 2**attempt)
        raise AssertionError

    def _open(self) -> Iterator[Any]:
        import obstore

        if self._position and self._position >= self._length():
            return iter(())
        options: Mapping[str, Any] = {"range": {"offset": self._position}} if self._position else {}
        found = obstore.get(self._place.store(), self._place.key, options=options)  # type: ignore[arg-type]
        self._size = found.meta["size"]
        return iter(found.stream(min_chunk_size=_CHUNK_BYTES))


def change_number(found: Mapping[str, Any]) -> int:
    """Return a number that changes with a file: the time of its last change, and its tag where there is no time."""
    seconds = found["last_modified"].timestamp()
    if seconds > 0:
        return int(seconds * 1e9)
    return int.from_bytes(str(found.get("e_tag") or "").encode()[:7], "big")


def with_named_errors(path: Path, ask: Callable[[], T]) -> T:
    """Ask a storage; what goes wrong is said in one line that names the file.

    Raises:
        FileNotFoundError: the file is not there.
        StorageError: anything else.
    """
    from obstore.exceptions import BaseError

    try:
        return ask()
    except FileNotFoundError:
        raise FileNotFoundError(2, "there is no such file in the storage", url_of(path)) from None
    except (BaseError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        refused = isinstance(error, PermissionError) or _REFUSED.search(first)
        hint = f"; {hint_at_rights(str(path).partition(':')[0])}" if refused else ""
        raise StorageError(f"{url_of(path)}: {first}{hint}") from None


def hint_at_rights(scheme: str) -> str:
    """Say how one gets the right to read files of a storage."""
    what = _SECRET_HINTS.get(scheme)
    return f"give yourself the right to read it, by {what}" if what else "give yourself the right to read it"
