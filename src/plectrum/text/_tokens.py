"""A long sequence of numbers that is written once: in memory, or past a limit in a file without a name."""

import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]
_PIECE = 1 << 22


class TokenStore:
    """Takes int32 arrays one after the other and gives them back as one.

    Parameters
    ----------
    memory : int
        Bytes to hold in memory; what is longer goes to a temporary file, which the system maps back as needed
        and which is gone when nobody reads it any more.

    Examples
    --------
    >>> store = TokenStore(memory=8)
    >>> store.append(np.array([1, 2], np.int32)); store.append(np.array([3], np.int32))
    >>> store.finish().tolist()
    [1, 2, 3]
    """

    def __init__(self, memory: int) -> None:
        self._memory, self._n = memory, 0
        self._pieces: list[Tokens] = []
        self._file: BinaryIO | None = None

    def append(self, tokens: Tokens) -> None:
        """Take a copy of `tokens`."""
        self._n += len(tokens)
        if self._file is None and 4 * self._n > self._memory:
            self._file = cast(BinaryIO, tempfile.TemporaryFile(prefix="plectrum-tokens-"))  # noqa: SIM115
            for piece in self._pieces:
                self._file.write(piece.tobytes())
            self._pieces = []
        if self._file is None:
            self._pieces.append(tokens.copy())
        else:
            self._file.write(tokens.tobytes())

    def finish(self) -> Tokens:
        """Return all that was taken, as an array in memory or a mapped file; both can be written to."""
        if self._file is None:
            whole = np.concatenate([np.empty(0, np.int32), *self._pieces])
            self._pieces = []
            return whole
        self._file.flush()
        whole = np.memmap(self._file, np.int32, "r+", shape=(self._n,))
        self._file.close()  # the map keeps it
        return whole


def pieces_of(tokens: Tokens) -> Iterator[Tokens]:
    """Yield views of a long array, one after the other."""
    for start in range(0, len(tokens), _PIECE):
        yield tokens[start : start + _PIECE]
