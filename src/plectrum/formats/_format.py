"""What a format is: how it is recognised, read and written, and what it can hold."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from plectrum.formats._record import Record


def distinct(key: Hashable) -> Hashable:
    """Return what tells a key from others in a set: itself, unless it is a boolean (Python: a number)."""
    return ("boolean", key) if isinstance(key, bool) else key


class Wanted:
    """Which rows of a file a caller wants: those of some keys, and at most the first so many.

    Readers consult it to read less; `formats.read` applies it again to what they return, so that a reader
    that ignores it is merely slower.

    Attributes
    ----------
    keys : frozenset or None
        Only rows of these keys; None means all.
    limit : int or None
        Only the first `limit` rows of the file; None means all. It is applied before `keys`.
    """

    def __init__(self, keys: Iterable[Hashable] | None = None, limit: int | None = None) -> None:
        self.keys = None if keys is None else frozenset(map(distinct, keys))
        self.limit = limit

    def has(self, key: Hashable) -> bool:
        """Whether rows of this key are wanted."""
        return self.keys is None or distinct(key) in self.keys

    @property
    def everything(self) -> bool:
        """Whether no row is left out."""
        return self.keys is None and self.limit is None

    def rows_to_read(self, n_rows: int) -> int:
        """How many of the file's first `n_rows` rows have to be looked at."""
        return n_rows if self.limit is None else min(n_rows, self.limit)


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    name : str
        What `format=` takes.
    title : str
        What people call it.
    suffixes : tuple of str
        File name endings that `write` takes this format for; folders have none.
    layout : "file" or "folder"
        What stands at the path.
    keys : "any" or "text"
        Which keys it can hold. A format of "text" keys refuses others when writing.
    says_no_length : bool
        Whether a file cut between two rows looks like a whole one, because nothing says how many there are.
    says_no_length : bool
        Whether a file cut between two rows looks like a whole one, because nothing says how many there are.
    holds : frozenset of str
        Which parts beside keys and vectors it can hold: of "counts", "unknown", "missing", "columns",
        "dtype".
    is_this : callable (path, head) -> bool
        Whether the content is of this format; `head` holds the file's first 64 KiB, and nothing for folders.
    read : callable (path, wanted) -> Record
    write : callable (record, path), or None
        None when the format is read only.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    is_this: Callable[[Path, bytes], bool]
    read: Callable[[Path, Wanted], Record]
    write: Callable[[Record, Path], None] | None = None
    layout: Literal["file", "folder"] = "file"
    keys: Literal["any", "text"] = "text"
    says_no_length: bool = False
    holds: frozenset[str] = frozenset()
