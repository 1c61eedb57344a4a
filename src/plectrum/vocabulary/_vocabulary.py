"""Vocabulary: key -> row, and back."""

from collections.abc import Hashable, Iterator, Sequence
from itertools import repeat
from typing import Any, Literal, Self

import numpy as np

from plectrum.errors import ArgumentError, ArgumentTypeError, RowOutOfRangeError, UnknownKeyError
from plectrum.vocabulary._containers import Coded, as_column
from plectrum.vocabulary._factor import factor_column
from plectrum.vocabulary._keys import PADDING, UNKNOWN, canonical_key, identity
from plectrum.vocabulary._nearest import nearest_keys

_PADDING_ROW, _UNKNOWN_ROW, _MISSING_ROW = 0, 1, 2
_FIRST_ROW = 3


class Vocabulary:
    """The rows of keys: row 0 is padding, row 1 unknown, row 2 missing, and the keys follow from row 3.

    Which keys are equal: numbers by exact value (``1``, ``1.0``, int8 ``1`` and ``Decimal(1)`` are one key);
    booleans, strings, bytes and dates are distinct from numbers and from each other; a date and a datetime at
    midnight are equal; datetimes with a time zone are equal when they are the same instant, never to one
    without; None, NaN, NaT and ``pandas.NA`` are missing; strings are compared by code points. The
    container and the dtype never matter.

    Make one with `Vocabulary.learn` (from data) or `Vocabulary.from_keys` (keys in an order of your own).

    Attributes
    ----------
    padding_row, unknown_row, missing_row : int
        0, 1 and 2.

    Examples
    --------
    >>> v = Vocabulary.learn(["oslo", "rome", "oslo", None])
    >>> v.keys, v.counts.tolist(), v.n_rows
    (['oslo', 'rome'], [2, 1], 5)
    >>> v.encode(["rome", "paris", None]).tolist()
    [4, 1, 2]
    >>> v.decode([4, 1, 2])
    ['rome', <unknown>, None]
    """

    padding_row: int = _PADDING_ROW
    unknown_row: int = _UNKNOWN_ROW
    missing_row: int = _MISSING_ROW

    def __init__(self) -> None:
        self._keys: list[Hashable] = []
        self._counts: np.ndarray | None = np.zeros(0, np.int64)  # None: never counted
        # identity of a key -> row; the reserved rows are found here too, by what decode gives for them
        self._rows: dict[Hashable, int] = {
            PADDING: _PADDING_ROW,
            UNKNOWN: _UNKNOWN_ROW,
            None: _MISSING_ROW,
        }
        # What follows is built from the keys when first needed, for speed alone.
        self._shown: list[Any] | None = None
        self._decoder: np.ndarray | None = None
        self._arrow_text: tuple[Any, np.ndarray] | None = None
        self._holds_text_only: bool | None = None

    # ---- making one

    @classmethod
    def learn(cls, values: Any, *, min_count: int = 1, max_size: int | None = None) -> Self:
        """The keys of a column, the most frequent first, keys of equal count in order of first appearance.

        Missing values are no key. The order depends on the values and their order alone, never on the
        container: the declared levels of a category column play no part in it.

        Parameters
        ----------
        values : list, NumPy array, pandas, polars or Arrow column, or iterable, of shape (n,)
            One key per position. May be empty.
        min_count : int, default 1
            Keys seen less often are left out, and later encoded as unknown.
        max_size : int, optional
            At most this many keys are kept, the most frequent ones.

        Returns
        -------
        Vocabulary

        Raises
        ------
        ArgumentError, ArgumentTypeError
            When values are not one-dimensional, or hold what cannot be a key (a list, a tuple).

        Notes
        -----
        Cost: one pass of hashing over the values, Python objects for the distinct ones only.

        Examples
        --------
        >>> Vocabulary.learn("to be or not to be".split(), max_size=2).keys
        ['to', 'be']
        """
        _check_size("min_count", min_count, "Vocabulary.learn", least=1)
        if max_size is not None:
            _check_size("max_size", max_size, "Vocabulary.learn", least=0)
        codes, keys = factor_column(as_column(values, owner="Vocabulary.learn"))
        order, counts = _by_falling_count(codes, keys)
        kept = order[counts[order] >= min_count][:max_size]
        made = cls()
        made._counts = counts[kept]
        made._index([keys[n] for n in kept.tolist()])
        return made

    @classmethod
    def from_keys(cls, keys: Any, counts: Any = None) -> Self:
        """A vocabulary of exactly these keys, in this order: the first has row 3.

        Parameters
        ----------
        keys : list, NumPy array, pandas, polars or Arrow column, of shape (n,)
            Distinct and not missing.
        counts : array of int, shape (n,), optional
            How often each key was seen. Without it `counts` is None.

        Raises
        ------
        ArgumentError
            When a key stands twice or is missing, or counts do not fit the keys.

        Examples
        --------
        >>> Vocabulary.from_keys(["mon", "tue", "wed"]).encode(["wed"]).tolist()
        [5]
        """
        codes, distinct = factor_column(as_column(keys, owner="Vocabulary.from_keys", argument="keys"))
        _check_distinct(codes, distinct)
        made = cls()
        made._counts = None if counts is None else _as_counts(counts, len(codes))
        made._index([distinct[n] for n in codes.tolist()])
        return made

    # ---- what it holds

    @property
    def keys(self) -> list[Any]:
        """The keys in the order of their rows: ``keys[i]`` has row ``i + 3``. Reserved rows are no keys."""
        if self._shown is None:
            self._shown = list(self._keys)
        return self._shown

    @property
    def counts(self) -> np.ndarray | None:
        """How often each key was seen, int64 (len(v),), in the order of `keys`; None when never counted."""
        return self._counts

    @property
    def n_rows(self) -> int:
        """``len(v) + 3``: the number of rows of a table for this vocabulary."""
        return len(self._keys) + _FIRST_ROW

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        try:
            return self._rows.get(identity(canonical_key(key)), _UNKNOWN_ROW) >= _FIRST_ROW
        except (ArgumentTypeError, TypeError):
            return False

    def __eq__(self, other: object) -> bool:
        """Whether every key has the same row in both; counts are not compared."""
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return list(map(identity, self._keys)) == list(map(identity, other._keys))

    __hash__ = None  # type: ignore[assignment]  # it can grow

    def __repr__(self) -> str:
        first = ", ".join(repr(key) for key in self._keys[:3])
        dots = ", ..." if len(self) > 3 else ""
        return f"<Vocabulary of {len(self):,} keys{': ' if first else ''}{first}{dots}>"

    # ---- key -> row

    def encode(self, values: Any, *, unknown: Literal["row", "error"] = "row") -> np.ndarray:
        """The row of every value: its key's row, 1 for a key that is not here, 2 for a missing value.

        Parameters
        ----------
        values : list, NumPy array, pandas, polars or Arrow column, or iterable, of shape (n,)
            Any container and dtype; `UNKNOWN` and `PADDING` are accepted among the values.
        unknown : {"row", "error"}, default "row"
            What a key that is not here becomes: row 1, or an error. Missing values are never an error.

        Returns
        -------
        ndarray of int64, shape (n,)
            A new array.

        Raises
        ------
        UnknownKeyError
            With ``unknown="error"``: names the first unknown key, its position, how many there are, and the
            keys spelled most alike.

        Notes
        -----
        Cost: one hash look-up per value. Strings in Arrow memory are looked up by Arrow, Python strings by a
        dictionary; other values are first reduced to the distinct ones.
        """
        if unknown not in ("row", "error"):
            raise ArgumentError(
                f"`unknown` of `Vocabulary.encode` must be 'row' or 'error'; got {unknown!r}. Use 'row' to "
                "give keys that are not here row 1."
            )
        column = as_column(values, owner="Vocabulary.encode")
        rows = self._encode_column(column)
        if unknown == "error":
            self._refuse_unknown(rows, column)
        return rows

    def row(self, key: Any) -> int:
        """The row of one key; 2 when it is missing.

        Raises
        ------
        UnknownKeyError
            When the key is not here; names the keys spelled most alike.

        Examples
        --------
        >>> Vocabulary.from_keys(["JFK", "LGA"]).row("JFK")
        3
        """
        wanted = canonical_key(key)
        row = self._rows.get(identity(wanted))
        if row is None:
            raise UnknownKeyError(wanted, nearest=self.nearest_keys(wanted))
        return row

    def nearest_keys(self, key: Any, k: int = 3) -> list[Any]:
        """Up to k keys that are spelled most like this one, best first; for "did you mean".

        Looks at the first 200,000 keys.

        Examples
        --------
        >>> Vocabulary.from_keys(["Berlin", "Bern", "Rome"]).nearest_keys("berlin ")
        ['Berlin', 'Bern']
        """
        return nearest_keys(key, self._keys, k)

    # ---- row -> key

    def decode(self, rows: Any) -> list[Any]:
        """The key of every row; None for missing, `UNKNOWN` for unknown, `PADDING` for padding.

        Parameters
        ----------
        rows : array of int, any shape with at least one dimension
            Row numbers in ``[0, n_rows)``.

        Returns
        -------
        list
            Nested as rows are.

        Raises
        ------
        RowOutOfRangeError
            When a row is outside the table; names the first, its position and how many there are.
        """
        numbers = np.asarray(rows)
        if numbers.size == 0 and numbers.ndim:
            return numbers.astype(np.int64).tolist()
        if numbers.dtype.kind not in "iu" or numbers.ndim == 0:
            raise ArgumentTypeError(
                f"`rows` of `Vocabulary.decode` must be an array of integers; got {type(rows).__name__} of "
                f"dtype {numbers.dtype} and shape {numbers.shape}. For a single row write decode([row])."
            )
        self._refuse_out_of_range(numbers)
        if self._decoder is None:
            self._decoder = np.empty(self.n_rows, object)
            self._decoder[:] = [PADDING, UNKNOWN, None, *self._keys]
        return self._decoder[numbers].tolist()

    # ---- growth

    def add(self, keys: Any) -> list[Any]:
        """Take in keys; those that are new get rows after all others, in order of first appearance.

        Rows that were given out never change. Every occurrence is counted, of old keys too, unless this
        vocabulary was made without counts. Missing values are passed over.

        Parameters
        ----------
        keys : list, NumPy array, pandas, polars or Arrow column, or iterable, of shape (n,)
            May hold keys that are already here, and the same key many times.

        Returns
        -------
        list
            The keys that are new.

        Examples
        --------
        >>> v = Vocabulary.learn(["a", "b"])
        >>> v.add(["c", "a", "c"]), v.encode(["a", "b", "c"]).tolist(), v.counts.tolist()
        (['c'], [3, 4, 5], [2, 1, 2])
        """
        codes, distinct = factor_column(as_column(keys, owner="Vocabulary.add", argument="keys"))
        order, counts = _by_first_appearance(codes, distinct)
        new = [distinct[n] for n in order.tolist() if identity(distinct[n]) not in self._rows]
        self._index(new)
        if self._counts is not None:
            grown = np.zeros(len(self._keys), np.int64)
            grown[: len(self._counts)] = self._counts
            at = [self._rows[identity(distinct[n])] - _FIRST_ROW for n in order.tolist()]
            grown[at] += counts[order]
            self._counts = grown
        return new

    # ---- inside

    def _index(self, new: list[Hashable]) -> None:
        """Give new keys the rows after all others."""
        self._rows.update(zip(map(identity, new), range(self.n_rows, self.n_rows + len(new)), strict=True))
        self._keys += new
        self._forget()

    def _forget(self) -> None:
        self._shown = self._decoder = self._arrow_text = self._holds_text_only = None

    def __getstate__(self) -> dict[str, Any]:
        return {"keys": self._keys, "counts": self._counts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        self._counts = state["counts"]
        self._index(state["keys"])

    def _encode_column(self, column: Any) -> np.ndarray:
        if isinstance(column, (list, np.ndarray)):
            if (isinstance(column, list) or column.dtype == object) and self._is_text_only():
                return self._encode_objects(column)
        elif not isinstance(column, Coded) and _is_arrow_text(column):
            return self._encode_arrow_text(column)
        return self._encode_distinct(column)

    def _encode_distinct(self, column: Any) -> np.ndarray:
        """Any column: reduced to its distinct keys, each of which is looked up once."""
        codes, keys = factor_column(column)
        table = np.fromiter((self._rows.get(identity(k), _UNKNOWN_ROW) for k in keys), np.int64, len(keys))
        return table[codes]

    def _is_text_only(self) -> bool:
        if self._holds_text_only is None:
            self._holds_text_only = all(type(key) is str for key in self._keys)
        return self._holds_text_only

    def _encode_objects(self, values: Sequence[Any] | np.ndarray) -> np.ndarray:
        """Python objects, when all keys are strings: nothing but an equal string is found by the dictionary.

        What is not found is unknown, or missing in a form that a dictionary does not know (NaN), or not a key
        at all; the general path tells which.
        """
        n = len(values)
        try:
            rows = np.fromiter(map(self._rows.get, values, repeat(_UNKNOWN_ROW)), np.int64, n)
        except TypeError:  # something without a hash: the general path says what and where
            return self._encode_distinct(values)
        lost = np.flatnonzero(rows == _UNKNOWN_ROW)
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
        if self._arrow_text is None:
            texts, rows = [], []
            for row, key in enumerate(self._keys, _FIRST_ROW):
                if type(key) is str and _is_encodable(key):
                    texts.append(key)
                    rows.append(row)
            self._arrow_text = pa.array(texts, pa.large_string()), np.array([*rows, _UNKNOWN_ROW], np.int64)
        texts, table = self._arrow_text
        found = pc.index_in(values, texts.cast(values.type))
        rows = table[found.fill_null(len(texts)).to_numpy(zero_copy_only=False)]
        if values.null_count:
            rows[values.is_null().to_numpy(zero_copy_only=False)] = _MISSING_ROW
        return rows

    def _refuse_unknown(self, rows: np.ndarray, column: Any) -> None:
        lost = np.flatnonzero(rows == _UNKNOWN_ROW)
        if not len(lost):
            return
        position = int(lost[0])
        key = _value_at(column, position)
        raise UnknownKeyError(
            key,
            position=position,
            n_unknown=len(lost),
            n_values=len(rows),
            nearest=self.nearest_keys(key),
            advice="Use unknown='row' to give such keys the unknown row.",
        )

    def _refuse_out_of_range(self, numbers: np.ndarray) -> None:
        bad = (numbers < 0) | (numbers >= self.n_rows)
        if not bad.any():
            return
        position = tuple(int(n) for n in np.argwhere(bad)[0])
        raise RowOutOfRangeError(
            owner="Vocabulary.decode",
            argument="rows",
            value=int(numbers[position]),
            position=position,
            n_bad=int(bad.sum()),
            n_values=numbers.size,
            n_rows=self.n_rows,
            advice="Decode rows with the vocabulary that encoded them.",
        )


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


def _value_at(column: Any, position: int) -> Hashable:
    if isinstance(column, Coded):
        return _value_at(column.levels, int(column.codes[position]))
    codes, keys = factor_column(column[position : position + 1])
    return keys[codes[0]]


def _by_first_appearance(codes: np.ndarray, keys: list[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the keys that occur, in order of first appearance, without missing; and counts of all."""
    counts = np.bincount(codes, minlength=len(keys))
    first = np.full(len(keys), len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last write wins: the first appearance
    seen = np.flatnonzero(counts)
    order = seen[np.argsort(first[seen], kind="stable")]
    missing = next((n for n, key in enumerate(keys) if key is None), -1)
    reserved = {n for n, key in enumerate(keys) if key is UNKNOWN or key is PADDING} | {missing}
    return order[~np.isin(order, list(reserved))], counts


def _by_falling_count(codes: np.ndarray, keys: list[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    order, counts = _by_first_appearance(codes, keys)
    return order[np.argsort(-counts[order], kind="stable")], counts


def _check_size(name: str, value: Any, owner: str, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(
            f"`{name}` of `{owner}` must be a whole number of {least} or more; got {value!r}. "
            f"{'Use 1 to keep every key.' if name == 'min_count' else 'Use None to keep every key.'}"
        )


def _check_distinct(codes: np.ndarray, distinct: list[Hashable]) -> None:
    advice = "Vocabulary.learn counts repeated keys and leaves missing ones out."
    for n, key in enumerate(distinct):
        if key is None or key is UNKNOWN or key is PADDING:
            at = np.flatnonzero(codes == n)
            if len(at):
                raise ArgumentError(
                    f"`keys` of `Vocabulary.from_keys` must not be missing; got {key!r} at position "
                    f"{at[0]:,}, {len(at):,} of {len(codes):,} values. {advice}"
                )
    counts = np.bincount(codes, minlength=len(distinct))
    if counts.max(initial=0) > 1:
        first = int(np.flatnonzero(counts[codes] > 1)[0])
        again = np.flatnonzero(codes == codes[first])
        raise ArgumentError(
            f"`keys` of `Vocabulary.from_keys` must be distinct; got {distinct[codes[first]]!r} at positions "
            f"{again[0]:,} and {again[1]:,}, {int((counts > 1).sum()):,} keys stand more than once. {advice}"
        )


def _as_counts(counts: Any, n: int) -> np.ndarray:
    numbers = np.asarray(counts)
    if numbers.shape != (n,) or numbers.dtype.kind not in "iu" or (n and numbers.min() < 0):
        raise ArgumentError(
            f"`counts` of `Vocabulary.from_keys` must be {n:,} whole numbers of 0 or more, one per key; got "
            f"shape {numbers.shape} of dtype {numbers.dtype}. Leave it out when the keys were not counted."
        )
    return numbers.astype(np.int64)
