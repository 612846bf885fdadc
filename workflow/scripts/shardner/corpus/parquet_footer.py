"""Where the row groups of a Parquet file lie: Polars does not say it, so the footer is read here.

The footer is a struct of Thrift's compact protocol (`doc/specs/thrift-compact-protocol.md` of apache/thrift) whose
fields are those of `parquet.thrift` of apache/parquet-format. All fields but a few are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shardner.data.stored_files import buffered

_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # the footer's length and the magic number
#: Structs and lists that lie in one another: no file has so many, but damage may look like it.
_DEEPEST = 64

# types of the compact protocol
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(14)

# the fields that are read; a field that is not named is passed over
_META_DATA = {9: "data_page_offset", 11: "dictionary_page_offset"}
_COLUMN_CHUNK = {3: ("meta_data", _META_DATA)}
_ROW_GROUP = {1: ("columns", _COLUMN_CHUNK), 3: "num_rows"}
_FILE = {4: ("row_groups", _ROW_GROUP)}


class DamagedFooter(Exception):
    """The footer cannot be read. It never leaves this subpackage."""


class RowGroup(NamedTuple):
    """A row group that has rows: where its first byte lies, and how many rows it has."""

    start: int
    rows: int


def read_row_groups(path: Path) -> list[RowGroup]:
    """Read where the row groups of a file lie; those without rows are left out.

    No group is said to start before the one that stands before it in the footer: then consecutive stretches of bytes
    have consecutive groups, in whatever order a program has written them.

    Raises:
        OSError: the file cannot be read.
        DamagedFooter: it is no Parquet file, or damaged.
    """
    footer = _Struct(_read_footer(path))
    try:
        groups = footer.read(_FILE).get("row_groups", [])
    except IndexError:
        raise DamagedFooter("its footer ends too early") from None
    found: list[RowGroup] = []
    for group in groups:
        rows = group.get("num_rows", 0)
        if rows > 0:
            before = found[-1].start if found else 0
            found.append(RowGroup(max(before, _first_byte(group)), rows))
    return found


def _read_footer(path: Path) -> bytes:
    with buffered(path) as file:
        size = file.seek(0, 2)
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > size - _TAIL_BYTES:
            raise DamagedFooter("it does not end as a Parquet file does")
        file.seek(size - _TAIL_BYTES - length)
        return file.read(length)


def _first_byte(group: Mapping[str, Any]) -> int:
    pages = [chunk.get("meta_data", {}) for chunk in group.get("columns", [])]
    # a column without dictionary has no such field, or a zero in it
    starts = [page.get("dictionary_page_offset") or page.get("data_page_offset", 0) for page in pages]
    return min(starts, default=0)


class _Struct:
    """Reads a struct of the compact protocol."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, wanted: Mapping[int, Any], depth: int = 0) -> dict[str, Any]:
        """Return the wanted fields by name. A name that comes with more fields wants a struct, or a list of structs."""
        if depth > _DEEPEST:
            raise DamagedFooter("its footer is nested too deeply")
        found: dict[str, Any] = {}
        number = 0
        while (head := self._byte()) & 15:
            kind, step = head & 15, head >> 4
            number = number + step if step else self._zigzag()
            name = wanted.get(number)
            if isinstance(name, tuple):
                found[name[0]] = self._nested(kind, name[1], depth)
            elif name is not None and kind in (_I16, _I32, _I64):
                found[name] = self._zigzag()
            else:
                self._pass_over(kind, depth)
        return found

    def _nested(self, kind: int, wanted: Mapping[int, Any], depth: int) -> Any:
        if kind == _STRUCT:
            return self.read(wanted, depth + 1)
        if kind != _LIST:
            raise DamagedFooter("its footer has other types than Parquet's")
        size, kind = self._list_head()
        if kind != _STRUCT and size:
            raise DamagedFooter("its footer has other types than Parquet's")
        return [self.read(wanted, depth + 1) for _ in range(size)]

    def _pass_over(self, kind: int, depth: int, *, element: bool = False) -> None:
        if kind in (_TRUE, _FALSE):  # a field's value lies in its head; an element of a list takes a byte
            self._at += element
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind in (_BYTE, _DOUBLE, _BINARY, _UUID):
            size = {_BYTE: 1, _DOUBLE: 8, _UUID: 16}.get(kind) or self._varint()
            self._at += size
        elif kind in (_LIST, _SET):
            size, kind = self._list_head()
            self._pass_over_all([kind], size, depth)
        elif kind == _MAP:
            size = self._varint()
            if size:
                kinds = self._byte()
                self._pass_over_all([kinds >> 4, kinds & 15], size, depth)
        elif kind == _STRUCT:
            self.read({}, depth + 1)
        else:
            raise DamagedFooter("its footer has other types than Thrift's")

    def _pass_over_all(self, kinds: list[int], size: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise DamagedFooter("its footer is nested too deeply")
        for _ in range(size):
            for kind in kinds:
                self._pass_over(kind, depth + 1, element=True)
            if self._at > len(self._data):
                raise DamagedFooter("its footer ends too early")

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        return (head >> 4 if head < 0xF0 else self._varint()), head & 15

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
