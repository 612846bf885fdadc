from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path

import pytest
import zstandard
from shardner.corpus import streams
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import JSONL, Compression
from shardner.corpus.streams import Line, open_stream, read_lines
from shardner.errors import CorpusError

LINES = [b"line %d %s\n" % (number, b"x" * (number % 97)) for number in range(20_000)]
CONTENT = b"".join(LINES)


def zstd(data: bytes, *, checksum: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum).compress(data)


COMPRESSORS = [
    (gzip.compress, Compression.GZIP),
    (zstd, Compression.ZSTD),
    (bz2.compress, Compression.BZIP2),
    (lzma.compress, Compression.XZ),
]


def read(path: Path, compression: Compression) -> bytes:
    with open_stream(SourceFile(path, JSONL, compression)) as stream:
        return stream.read()


def lines_until_error(path: Path, compression: Compression) -> tuple[list[bytes], str]:
    found = []
    with pytest.raises(CorpusError) as caught, open_stream(SourceFile(path, JSONL, compression)) as stream:
        for line in read_lines(stream):
            found.append(line.raw)
    return found, str(caught.value)


@pytest.mark.parametrize(("compress", "compression"), COMPRESSORS)
def test_members_and_frames_are_read_to_the_last(tmp_path: Path, compress, compression: Compression) -> None:
    path = tmp_path / "a"
    path.write_bytes(compress(CONTENT) + compress(b"") + compress(b"more") + compress(CONTENT))
    assert read(path, compression) == CONTENT + b"more" + CONTENT


@pytest.mark.parametrize(("compress", "compression"), COMPRESSORS)
def test_what_compresses_a_thousandfold_is_read(tmp_path: Path, compress, compression: Compression) -> None:
    path = tmp_path / "a"
    path.write_bytes(compress(bytes(40 << 20)))
    with open_stream(SourceFile(path, JSONL, compression)) as stream:
        sizes = [len(piece) for piece in iter(lambda: stream.read(1 << 20), b"")]
    assert sum(sizes) == 40 << 20


@pytest.mark.parametrize(("compress", "compression"), COMPRESSORS[2:])
def test_damage_in_a_later_stream_keeps_the_streams_before(tmp_path: Path, compress, compression: Compression) -> None:
    second = bytearray(compress(CONTENT))
    second[len(second) // 2] ^= 1
    path = tmp_path / "cut"
    path.write_bytes(compress(b"one\n") + bytes(second))
    found, error = lines_until_error(path, compression)
    assert found[:1] == [b"one\n"]
    assert "cut: damaged, or not the" in error


def test_an_xz_file_that_would_take_all_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 64 << 10}]
    data = bytearray(lzma.compress(b"text", filters=filters))
    # the size of the dictionary is a byte of the block's header (.xz file format, 5.3.1); the header has a checksum
    at = data.index(b"\x21\x01") + 2
    data[at] = 40
    size = (data[12] + 1) * 4
    data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    _, error = lines_until_error(path, Compression.XZ)
    assert "a.xz" in error and "Memory usage limit" in error


def test_zeros_after_a_gzip_member_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one\n") + bytes(70_000) + gzip.compress(b"two\n") + bytes(512))
    assert read(path, Compression.GZIP) == b"one\ntwo\n"


def test_a_skippable_zstd_frame_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(b"\x50\x2a\x4d\x18\x04\x00\x00\x00meta" + zstd(b"text"))
    assert read(path, Compression.ZSTD) == b"text"


@pytest.mark.parametrize(("compress", "compression"), COMPRESSORS)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_truncated_file_gives_its_lines_and_then_an_error(
    tmp_path: Path, compress, compression: Compression, kept: float
) -> None:
    path = tmp_path / "cut"
    data = compress(CONTENT)
    path.write_bytes(data[: int(len(data) * kept)])
    found, error = lines_until_error(path, compression)
    assert found == LINES[: len(found)]
    if compression is not Compression.BZIP2:  # of which nothing can be decoded before a block ends
        assert len(found) >= 0.8 * kept * len(LINES)
    assert "cut: the file ends in the middle" in error
    assert "truncated or empty" in error


@pytest.mark.parametrize(("compress", "compression"), COMPRESSORS)
def test_a_file_cut_between_the_bytes_of_its_second_header_is_truncated(
    tmp_path: Path, compress, compression: Compression
) -> None:
    path = tmp_path / "cut"
    path.write_bytes(compress(b"one\n") + compress(b"two\n")[:3])
    found, error = lines_until_error(path, compression)
    assert found == [b"one\n"]
    assert "truncated" in error


def test_a_wrong_checksum_of_gzip_is_damage_after_all_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    data = bytearray(gzip.compress(b"one\ntwo\n"))
    data[-8] ^= 1
    path.write_bytes(bytes(data))
    found, error = lines_until_error(path, Compression.GZIP)
    assert found == [b"one\n", b"two\n"]
    assert "a.gz: damaged, or not the gzip file that its name says" in error


def test_a_wrong_checksum_of_zstd_is_damage_after_all_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    data = bytearray(zstd(CONTENT))
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    found, error = lines_until_error(path, Compression.ZSTD)
    assert found == LINES
    assert "a.zst: damaged, or not the zstd file that its name says" in error


def test_damage_amid_a_gzip_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    stored = zlib.compressobj(level=0, wbits=31)
    data = bytearray(stored.compress(CONTENT) + stored.flush())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2 - 9) + b"\xff" * 9
    path.write_bytes(bytes(data))
    found, error = lines_until_error(path, Compression.GZIP)
    assert found[:9000] == LINES[:9000]
    assert "damaged" in error


def test_damage_in_a_later_zstd_frame_keeps_the_frames_before(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    second = bytearray(zstd(CONTENT))
    second[-1] ^= 1
    path.write_bytes(zstd(b"one\n") + bytes(second))
    found, error = lines_until_error(path, Compression.ZSTD)
    assert found == [b"one\n", *LINES]
    assert "damaged" in error


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_plain_text_under_a_compressed_name_is_damage(tmp_path: Path, compression: Compression) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"plain text\n")
    assert "not the" in lines_until_error(path, compression)[1]


def test_rubbish_after_a_gzip_member_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one\n") + b"rubbish that is no member")
    found, error = lines_until_error(path, Compression.GZIP)
    assert found == [b"one\n"]
    assert "damaged" in error


def test_a_file_that_is_gone_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert "gone: cannot be read: No such file" in lines_until_error(tmp_path / "gone", Compression.NONE)[1]


def lines(data: bytes) -> list[Line]:
    return list(read_lines(io.BytesIO(data)))


def test_only_line_feeds_end_lines() -> None:
    text = "a\rb\u2028c\u0085d\x0ce\x0bf\x1cg\n\nh".encode()
    assert [line.raw for line in lines(text)] == [text[:-2], b"\n", b"h"]


def test_offsets_count_the_byte_order_mark() -> None:
    assert lines(b"\xef\xbb\xbfab\ncd\n") == [Line(3, b"ab\n", 3), Line(6, b"cd\n", 3)]


def test_a_byte_order_mark_further_on_is_text() -> None:
    assert lines(b"a\n\xef\xbb\xbfb")[1].raw == b"\xef\xbb\xbfb"


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_nothing_has_no_lines(data: bytes) -> None:
    assert lines(data) == []


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("length", range(8, 14))
def test_a_long_line_is_cut_and_counted(monkeypatch: pytest.MonkeyPatch, mark: bytes, length: int) -> None:
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 10)
    monkeypatch.setattr(streams, "RAW_BYTES", 4)
    monkeypatch.setattr(streams, "BUFFER_BYTES", 3)
    long, at = b"x" * (length - 1) + b"\n", len(mark)
    expected = Line(at, long if length <= 10 else b"xxxx", length)
    assert lines(mark + long + b"b\n") == [expected, Line(at + length, b"b\n", 2)]
    assert lines(mark + long[:-1])[0].length == length - 1
