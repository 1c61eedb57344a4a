"""Key -> row for whole columns: the fast ways, and the general one that they must agree with."""

from collections.abc import Hashable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from plectrum.errors import ArgumentTypeError
from plectrum.vocabulary._containers import Coded
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
        self._holds_text_only = True
        self._texts: tuple[Any, np.ndarray] | None = None

    def add(self, new: Sequence[Hashable]) -> None:
        """Give keys that are new the rows after all others."""
        start = len(self._rows)
        self._rows.update(zip(map(identity, new), range(start, start + len(new)), strict=True))
        self._holds_text_only &= all(type(key) is str for key in new)
        self._texts = None

    def get(self, key: Hashable) -> int | None:
        """The row of a canonical key, reserved ones included; None when it has none."""
        return self._rows.get(identity(key))

    def encode(self, column: Any) -> np.ndarray:
        """The rows (n,) of a column, as `as_column` made it."""
        if isinstance(column, (list, np.ndarray)):
            if (isinstance(column, list) or column.dtype == object) and self._holds_text_only:
                return self._encode_objects(column)
        elif not isinstance(column, Coded) and _is_arrow_text(column):
            return self._encode_arrow_text(column)
        return self._encode_distinct(column)

    def _encode_distinct(self, column: Any) -> np.ndarray:
        """Any column: reduced to its distinct keys, each of which is looked up once."""
        codes, keys = factor_column(column)
        table = np.fromiter((self._rows.get(identity(k), UNKNOWN_ROW) for k in keys), np.int64, len(keys))
        return table[codes]

    def _encode_objects(self, values: Sequence[Any] | np.ndarray) -> np.ndarray:
        """Python objects, when all keys are strings: nothing but an equal string is found by the dictionary.

        What is not found is unknown, or missing in a form that a dictionary does not know (NaN), or not a key
        at all; the general path tells which.
        """
        n = len(values)
        try:
            rows = np.fromiter(map(self._rows.get, values, repeat(UNKNOWN_ROW)), np.int64, n)
        except TypeError:  # something without a hash: the general path says what and where
            return self._encode_distinct(values)
        lost = np.flatnonzero(rows == UNKNOWN_ROW)
        rest = [values[n] for n in lost.tolist()]
        if not set(map(type, rest)) <= {str}:
            try:
                rows[lost] = self._encode_distinct(rest)
            except ArgumentTypeError:
                self._encode_distinct(values)  # raises too, with the position among all values
                raise
        return rows

    def _encode_arrow_text(self, values: Any) -> np.ndarray:
        """Strings in Arrow memory: looked up there, without making Python objects of them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if values.type not in (pa.string(), pa.large_string()):
            values = values.cast(pa.large_string())
        if self._texts is None:
            texts, rows = [], []
            for key, row in self._rows.items():
                if type(key) is str and _is_encodable(key):
                    texts.append(key)
                    rows.append(row)
            self._texts = pa.array(texts, pa.large_string()), np.array([*rows, UNKNOWN_ROW], np.int64)
        texts, table = self._texts
        found = pc.index_in(values, texts.cast(values.type))
        rows = table[found.fill_null(len(texts)).to_numpy(zero_copy_only=False)]
        if values.null_count:
            rows[values.is_null().to_numpy(zero_copy_only=False)] = MISSING_ROW
        return rows


def _is_arrow_text(column: Any) -> bool:
    import pyarrow as pa

    kind = column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_encodable(text: str) -> bool:
    """Whether UTF-8 has this string; a lone surrogate is a legal key that Arrow memory cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
