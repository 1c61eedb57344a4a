"""Key -> row for whole columns."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from plectrum.vocabulary._containers import is_arrow_text
from plectrum.vocabulary._factor import factor_column
from plectrum.vocabulary._keys import PADDING, UNKNOWN, identity

PADDING_ROW, UNKNOWN_ROW, MISSING_ROW = 0, 1, 2
FIRST_ROW = 3


class RowIndex:
    """The rows of keys: a dictionary, and a hash table in Arrow memory that is built when first needed."""

    def __init__(self) -> None:
        # identity of a key -> row; the reserved rows are found here too, by what decode gives for them
        self._rows: dict[Hashable, int] = {
            PADDING: PADDING_ROW,
            UNKNOWN: UNKNOWN_ROW,
            None: MISSING_ROW,
        }
        self._texts: tuple[Any, np.ndarray] | None = None

    def add(self, new: Sequence[Hashable]) -> None:
        """Give keys that are new the rows after all others."""
        start = len(self._rows)
        self._rows.update(zip(map(identity, new), range(start, start + len(new)), strict=True))
        self._texts = None

    def get(self, key: Hashable) -> int | None:
        """The row of a canonical key, reserved ones included; None when it has none."""
        return self._rows.get(identity(key))

    def encode(self, column: Any) -> np.ndarray:
        """The rows (n,) of a column, as `as_column` made it."""
        if is_arrow_text(column):
            # A few strings are looked up sooner than Arrow has hashed all keys, which it does at every call.
            return self._encode_text(column) if len(column) >= len(self._rows) else self._encode_few(column)
        codes, keys = factor_column(column)
        return self._rows_of(keys)[codes]

    def _rows_of(self, keys: Iterable[Hashable]) -> np.ndarray:
        return np.fromiter((self._rows.get(identity(key), UNKNOWN_ROW) for key in keys), np.int64)

    def _encode_few(self, values: Any) -> np.ndarray:
        return np.fromiter(map(self._rows.get, values.to_pylist(), repeat(UNKNOWN_ROW)), np.int64)

    def _encode_text(self, values: Any) -> np.ndarray:
        """Strings in Arrow memory: looked up there, without making Python objects of them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._texts is None:
            known = {key: row for key, row in self._rows.items() if type(key) is str and _is_utf8(key)}
            rows = np.array([*known.values(), UNKNOWN_ROW], np.int64)
            self._texts = pa.array(known.keys(), pa.large_string()), rows
        texts, table = self._texts
        found = pc.index_in(values, texts.cast(values.type))
        rows = table[found.fill_null(len(texts)).to_numpy(zero_copy_only=False)]
        if values.null_count:
            rows[values.is_null().to_numpy(zero_copy_only=False)] = MISSING_ROW
        return rows


def _is_utf8(text: str) -> bool:
    """Whether UTF-8 has this string; a lone surrogate is a legal key that Arrow memory cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
