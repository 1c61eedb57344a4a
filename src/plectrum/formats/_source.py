"""The bytes of a file, decompressed when it is compressed, read in pieces so that memory stays small."""

import bz2
import gzip
import lzma
import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from plectrum.formats._damage import damaged

_MAGIC_NUMBERS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
}


def compression_of(head: bytes) -> str | None:
    """Return the name of the compression that a file begins with, None when there is none."""
    return next((name for magic, name in _MAGIC_NUMBERS.items() if head.startswith(magic)), None)


class Source:
    """A file to read from its beginning, whose damage becomes a `FormatError` with the offset.

    Attributes
    ----------
    path : Path
    size : int or None
        How many bytes there are; None when the file is compressed, as nothing in it can be trusted to tell.
    position : int
        How many bytes were handed out.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.position = 0
        file = self.path.open("rb")
        compression = compression_of(file.read(6))
        file.seek(0)
        self.size = self.path.stat().st_size if compression is None else None
        self._file = file
        self._stream = decompressing(file, compression)

    def read(self, n_bytes: int) -> bytes:
        """Return the next `n_bytes`, fewer only at the end of the file."""
        parts = bytearray(n_bytes) if n_bytes < 1 << 24 else bytearray(min(n_bytes, 1 << 24))
        filled = self.read_into(memoryview(parts))
        read = bytes(parts[:filled])
        if filled == len(parts) < n_bytes:
            read += self.read(n_bytes - filled)
        return read

    def read_into(self, buffer: memoryview) -> int:
        """Fill a buffer from the file; return how many bytes that were, fewer only at the end of the file."""
        filled = 0
        while filled < len(buffer):
            try:
                got = cast(Any, self._stream).readinto(buffer[filled:])
            except (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError) as error:
                where = self.position + filled
                raise damaged(
                    self.path, where, "more compressed data", f"{error} (decompressed offset)"
                ) from error
            if not got:
                break
            filled += got
        self.position += filled
        return filled

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._file.close()


def decompressing(file: BinaryIO, compression: str | None) -> BinaryIO:
    """Return what reads a file's bytes as they were before compression."""
    if compression is None:
        return file
    if compression == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if compression == "bzip2":
        return cast(BinaryIO, bz2.BZ2File(file))
    if compression == "xz":
        return cast(BinaryIO, lzma.LZMAFile(file))
    import pyarrow as pa  # has zstd built in, where Python has it from 3.14 on

    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))


def read_head(path: Path, n_bytes: int) -> bytes:
    """Return the first bytes of a file, decompressed when it is compressed."""
    with Source(path) as source:
        return source.read(n_bytes)
