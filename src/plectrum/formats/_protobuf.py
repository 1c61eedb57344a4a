"""As much of the protocol buffers' wire format as an ONNX file of two nodes needs.

A message is a run of fields: a varint of ``number << 3 | kind``, then by kind a varint (0), eight bytes (1),
a length and that many bytes (2), or four bytes (5).
Source: the protocol buffers' documentation, "Encoding".
"""

from collections.abc import Iterator
from pathlib import Path

from plectrum.formats._damage import damaged


def varint(value: int) -> bytes:
    """Return a number in [0, 2**64) as a varint."""
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def number_field(number: int, value: int) -> bytes:
    """Return a field that holds an integer."""
    return varint(number << 3) + varint(value & (1 << 64) - 1)


def bytes_field(number: int, *parts: bytes | str) -> bytes:
    """Return a field that holds bytes, text, or a message (its fields, one after the other)."""
    payload = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return length_field(number, len(payload)) + payload


def length_field(number: int, length: int) -> bytes:
    """Return the beginning of a field of `length` bytes, which are to follow."""
    return varint(number << 3 | 2) + varint(length)


class Message:
    """A message within a file: ``raw[start:end]``, read field by field, every shortfall a `FormatError`."""

    def __init__(self, path: Path, raw: memoryview, start: int, end: int) -> None:
        self.path, self.raw, self.start, self.end = path, raw, start, end

    def fields(self) -> Iterator[tuple[int, "int | Message"]]:
        """Yield (number, value): an integer, or for what has a length its bytes as a message."""
        at = self.start
        while at < self.end:
            first = at
            tag, at = self._varint(at)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                value, at = self._varint(at)
                yield number, value
            elif kind == 2:
                length, at = self._varint(at)
                self._need(at, length)
                yield number, Message(self.path, self.raw, at, at + length)
                at += length
            elif kind in (1, 5):
                width = 8 if kind == 1 else 4
                self._need(at, width)
                yield number, int.from_bytes(self.raw[at : at + width], "little")
                at += width
            else:
                raise damaged(self.path, first, "a field of a protocol buffer", f"kind {kind}")

    def bytes(self) -> memoryview:
        """Return the message's own bytes."""
        return self.raw[self.start : self.end]

    def text(self) -> str:
        """Return the bytes as text; what is no UTF-8 is kept as surrogate escapes."""
        return bytes(self.bytes()).decode("utf-8", "surrogateescape")

    def packed(self) -> Iterator[int]:
        """Yield the varints that the bytes are made of."""
        at = self.start
        while at < self.end:
            value, at = self._varint(at)
            yield value

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            self._need(at, 1)
            byte = self.raw[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & (1 << 64) - 1, at
        raise damaged(self.path, at, "a varint of at most ten bytes", "a longer one")

    def _need(self, at: int, n_bytes: int) -> None:
        if n_bytes > self.end - at:
            raise damaged(self.path, at, f"{n_bytes:,} bytes", f"{max(0, self.end - at):,} until the end")
