"""Vocabulary: key -> row, and back."""

from collections.abc import Hashable, Iterator
from typing import Any, Literal, Self

import numpy as np

from plectrum.errors import ArgumentError, ArgumentTypeError, RowOutOfRangeError, UnknownKeyError
from plectrum.vocabulary._arguments import as_counts, check_distinct, check_size
from plectrum.vocabulary._containers import Coded, as_column
from plectrum.vocabulary._counting import by_falling_count, by_first_appearance
from plectrum.vocabulary._factor import factor_column
from plectrum.vocabulary._index import FIRST_ROW, MISSING_ROW, PADDING_ROW, UNKNOWN_ROW, RowIndex
from plectrum.vocabulary._keys import PADDING, UNKNOWN, canonical_key, identity
from plectrum.vocabulary._nearest import nearest_keys


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

    padding_row: int = PADDING_ROW
    unknown_row: int = UNKNOWN_ROW
    missing_row: int = MISSING_ROW

    def __init__(self, values: Any = None) -> None:
        if values is not None:
            raise ArgumentTypeError(
                f"`Vocabulary` takes no values; got a {type(values).__name__}. Write "
                "Vocabulary.learn(values) to count what a column holds, or Vocabulary.from_keys(keys) for "
                "keys in an order of your own."
            )
        self._keys: list[Hashable] = []
        self._counts: np.ndarray | None = np.zeros(0, np.int64)  # None: never counted
        self._rows = RowIndex()
        self._shown: list[Any] | None = None  # what `keys` hands out, and
        self._decoder: np.ndarray | None = None  # the keys as an array: both made when first needed

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
        check_size("min_count", min_count, "Vocabulary.learn", least=1)
        if max_size is not None:
            check_size("max_size", max_size, "Vocabulary.learn", least=0)
        codes, keys = factor_column(as_column(values, owner="Vocabulary.learn"))
        order, counts = by_falling_count(codes, keys)
        kept = order[counts[order] >= min_count][:max_size]
        made = cls()
        made._counts = counts[kept]
        made._append([keys[n] for n in kept.tolist()])
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
        check_distinct(codes, distinct)
        made = cls()
        made._counts = None if counts is None else as_counts(counts, len(codes))
        made._append([distinct[n] for n in codes.tolist()])
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
        return len(self._keys) + FIRST_ROW

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        try:
            return (self._rows.get(canonical_key(key)) or 0) >= FIRST_ROW
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
        rows = self._rows.encode(column)
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
        row = self._rows.get(wanted)
        if row is None:
            raise UnknownKeyError(wanted, nearest=lambda: self.nearest_keys(wanted))
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
        try:
            numbers = np.asarray(rows)
        except ValueError as error:
            raise ArgumentError(
                "`rows` of `Vocabulary.decode` must have one shape; got lists of different length. Decode "
                "them one by one."
            ) from error
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
        order, counts = by_first_appearance(codes, distinct)
        new = [distinct[n] for n in order.tolist() if self._rows.get(distinct[n]) is None]
        self._append(new)
        if self._counts is not None:
            grown = np.zeros(len(self._keys), np.int64)
            grown[: len(self._counts)] = self._counts
            at = [self._rows.get(distinct[n]) for n in order.tolist()]
            grown[np.array(at, np.int64) - FIRST_ROW] += counts[order]
            self._counts = grown
        return new

    # ---- inside

    def _append(self, new: list[Hashable]) -> None:
        self._rows.add(new)
        self._keys += new
        self._shown = self._decoder = None

    def __getstate__(self) -> dict[str, Any]:
        return {"keys": self._keys, "counts": self._counts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        self._counts = state["counts"]
        self._append(state["keys"])

    def _refuse_unknown(self, rows: np.ndarray, column: Any) -> None:
        lost = np.flatnonzero(rows == UNKNOWN_ROW)
        if not len(lost):
            return
        position = int(lost[0])
        key = _value_at(column, position)
        raise UnknownKeyError(
            key,
            position=position,
            n_unknown=len(lost),
            n_values=len(rows),
            nearest=lambda: self.nearest_keys(key),
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


def _value_at(column: Any, position: int) -> Hashable:
    if isinstance(column, Coded):
        return _value_at(column.levels, int(column.codes[position]))
    codes, keys = factor_column(column[position : position + 1])
    return keys[codes[0]]
