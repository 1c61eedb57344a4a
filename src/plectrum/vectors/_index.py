"""Key to row for a fixed list of keys: a plain dictionary for text, a Vocabulary for everything else."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError, ArgumentTypeError, UnknownKeyError
from plectrum.formats import TextKeys
from plectrum.vocabulary import Vocabulary, canonical_key

UNKNOWN, MISSING = -1, -2  # what stands for them among row numbers


class KeyIndex:
    """The keys of `Vectors`, and the row of each, from 0.

    What costs time is made when it is first asked for: the dictionary at the first look-up, the Vocabulary
    when
    keys are no text, or when a key is not found and its nearest spellings are wanted.
    """

    def __init__(self, keys: Any) -> None:
        self._rows: dict[Hashable, int] | None = None
        self._vocabulary = keys if isinstance(keys, Vocabulary) else None
        self._keys: Sequence[Hashable]
        if isinstance(keys, (TextKeys, list)):
            self._keys = keys
        else:
            self._keys = list(keys.keys if isinstance(keys, Vocabulary) else keys)
        self._is_text = isinstance(keys, TextKeys) or set(map(type, self._keys)) <= {str}
        if not self._is_text:
            self._keys = self.vocabulary.keys
        elif not isinstance(keys, TextKeys):
            self._text_rows()

    @property
    def keys(self) -> list[Hashable]:
        """The keys in the order of their rows."""
        if isinstance(self._keys, TextKeys):
            return cast(list[Hashable], self._keys.tolist())
        return cast(list[Hashable], self._keys)

    @property
    def vocabulary(self) -> Vocabulary:
        """The keys as a Vocabulary, in which the key of row i has row i + 3."""
        if self._vocabulary is None:
            self._vocabulary = Vocabulary.from_keys(list(self._keys))
        return self._vocabulary

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, key: object) -> int | None:
        """Return the row of a key, None when it has none."""
        if self._is_text and type(key) is str:
            return self._text_rows().get(key)
        try:
            plain = canonical_key(key)
        except ArgumentTypeError:
            return None
        if self._is_text:
            return self._text_rows().get(plain) if type(plain) is str else None
        if plain is None or plain not in self.vocabulary:
            return None
        return self.vocabulary.row(plain) - 3

    def row(self, key: Hashable) -> int:
        """Return the row of a key; an `UnknownKeyError` names the nearest keys when it has none."""
        row = self.find(key)
        if row is None:
            raise self.unknown(key)
        return row

    def rows(self, values: Iterable[Any]) -> NDArray[np.int64]:
        """Return the row of every value; -1 for what is no key, -2 for what is missing."""
        if self._is_text and isinstance(values, list) and all(type(value) is str for value in values):
            rows = self._text_rows()
            return np.fromiter((rows.get(value, UNKNOWN) for value in values), np.int64, len(values))
        encoded = self.vocabulary.encode(values)
        return np.where(encoded == 2, MISSING, np.where(encoded < 3, UNKNOWN, encoded - 3))

    def unknown(
        self, key: Hashable, *, position: int | None = None, n: int = 1, of: int = 1
    ) -> UnknownKeyError:
        """Return (not raise) the error for a key that is not here."""
        return UnknownKeyError(
            key,
            position=position,
            n_unknown=n,
            n_values=of,
            nearest=lambda: self._nearest(key),
            owner=f"These {len(self):,} vectors",
        )

    def _nearest(self, key: Hashable) -> Sequence[Any]:
        try:
            return self.vocabulary.nearest_keys(key)
        except ArgumentTypeError:
            return ()

    def _text_rows(self) -> dict[Hashable, int]:
        if self._rows is None:
            self._rows = dict(zip(self._keys, range(len(self._keys)), strict=True))
            if len(self._rows) < len(self._keys):
                self._refuse_twice()
        return self._rows

    def _refuse_twice(self) -> None:
        first: dict[Hashable, int] = {}
        for row, key in enumerate(self._keys):
            if key in first:
                raise ArgumentError(
                    f"`keys` of `Vectors` must be distinct; got {key!r} at positions {first[key]:,} and "
                    f"{row:,}. "
                    "Keep one vector per key."
                )
            first[key] = row
