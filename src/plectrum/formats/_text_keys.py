"""Text keys as one run of UTF-8 bytes and the place where each ends; decoded when first looked into."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._damage import damaged


def pack_text_keys(keys: Iterable[Any]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the keys' UTF-8 bytes, one after the other, and the offset behind each key."""
    encoded = [key.encode("utf-8", "surrogatepass") for key in keys]
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


class TextKeys(Sequence[str]):
    """Text keys that stay bytes in the mapped file until they are looked into.

    Opening a file of a million keys thus costs nothing; the first look decodes all of them, once.
    """

    def __init__(self, blob: NDArray[np.uint8], ends: NDArray[np.int64], path: Path) -> None:
        self._blob, self._ends, self._path = blob, ends, path
        self._decoded: list[str] | None = None

    def tolist(self) -> list[str]:
        """Return the keys as a list, the same one each time."""
        if self._decoded is None:
            self._decoded = self._decode()
        return self._decoded

    def _decode(self) -> list[str]:
        ends = np.asarray(self._ends)
        starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        if len(ends) and (ends[-1] != len(self._blob) or (ends < starts).any() or ends[0] < 0):
            row = int(np.argmax(ends < starts)) if (ends < starts).any() else len(ends) - 1
            raise damaged(
                self._path,
                None,
                f"key ends that rise up to {len(self._blob):,}",
                f"{int(ends[row]):,} at key {row:,}",
            )
        raw = self._blob.tobytes()
        try:
            text = raw.decode("utf-8", "surrogatepass")
            if len(text) == len(raw):  # ASCII: offsets of bytes are offsets of characters
                return [text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
            return [
                raw[a:b].decode("utf-8", "surrogatepass")
                for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
            ]
        except UnicodeDecodeError as error:
            raise damaged(
                self._path, None, "keys in UTF-8", f"{error.reason} at byte {error.start:,} of them"
            ) from error

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self.tolist()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compares like a list, so it hashes like one: not at all

    def __repr__(self) -> str:
        return f"TextKeys({len(self):,} keys)"
