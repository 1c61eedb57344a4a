"""Asking vectors: what is near, alike, analogous, out of place."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError, ArgumentTypeError
from plectrum.vectors import _search
from plectrum.vectors._table import Key, Table, of_shape

Ranked = list[tuple[Key, float]]


class Asked(Table):
    """`Vectors` as far as it answers questions by cosines."""

    def similarity(self, a: Key, b: Key) -> float:
        """Return the cosine between the vectors of two keys.

        Examples
        --------
        >>> from plectrum import Vectors
        >>> round(Vectors(["a", "b"], [[1.0, 0.0], [1.0, 1.0]]).similarity("a", "b"), 4)
        0.7071
        """
        first, second = np.asarray(self[a], np.float64), np.asarray(self[b], np.float64)
        length = np.linalg.norm(first) * np.linalg.norm(second)
        return float(first @ second / length) if length else 0.0

    def nearest(self, key_or_vector: Any, k: int = 10) -> Any:
        """Return the keys of highest cosine, best first, with their cosines.

        Parameters
        ----------
        key_or_vector : key or float array of shape (embedding_dim,)
            A key is itself left out of its answer. A list of keys, or a float array of shape
            (n, embedding_dim), asks n questions at once, which is many times as fast as asking one by one.
        k : int
            How many to return; fewer when there are fewer other keys.

        Returns
        -------
        list of (key, float), or for n questions a list of n such lists

        Raises
        ------
        UnknownKeyError
            A key has no vector.
        ArgumentError
            A vector has another length, or `k` is not positive.

        Notes
        -----
        Exact. Cost: the matrix is read once per 256 questions or more; no copy of it is made. Keys of equal
        cosine come in the order of their rows.

        Examples
        --------
        >>> from plectrum import Vectors
        >>> w = Vectors(["a", "b", "c"], np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]))
        >>> [key for key, _ in w.nearest("a", k=2)]
        ['b', 'c']
        >>> [key for key, _ in w.nearest(np.array([0.0, 2.0]), k=1)]
        ['c']
        >>> [[key for key, _ in answer] for answer in w.nearest(["a", "c"], k=1)]
        [['b'], ['b']]
        """
        single, queries, excluded = self.questions(key_or_vector)
        answers = self._answers(queries, k, excluded)
        return answers[0] if single else answers

    def analogy(
        self,
        positive: Sequence[Any],
        negative: Sequence[Any] = (),
        k: int = 1,
        *,
        method: Literal["3cosadd", "3cosmul"] = "3cosadd",
    ) -> Ranked:
        """Return the keys nearest to the sum of some vectors minus others: king + woman - man is queen.

        ``argmax_x cos(x, sum_p p/|p| - sum_n n/|n|)`` over all keys but those given (3CosAdd: Mikolov, Yih,
        Zweig 2013, "Linguistic Regularities in Continuous Space Word Representations").

        Parameters
        ----------
        positive, negative : sequence of keys or vectors
        k : int
        method : "3cosadd" or "3cosmul"
            3CosMul multiplies and divides instead: ``prod_p c(x, p) / (prod_n c(x, n) + 0.001)`` with cosines
            moved to [0, 1]; no single large term can outweigh the others (Levy, Goldberg 2014, "Linguistic
            Regularities in Sparse and Explicit Word Representations"). Twice the cost.

        Returns
        -------
        list of (key, float)

        Examples
        --------
        >>> from plectrum import Vectors
        >>> w = Vectors(["man", "king", "woman", "queen"], [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1.0]])
        >>> w.analogy(positive=["king", "woman"], negative=["man"])[0][0]
        'queen'
        """
        _check_parts(positive, negative)
        if method not in ("3cosadd", "3cosmul"):
            raise ArgumentError(f'`method` of `analogy` must be "3cosadd" or "3cosmul"; got {method!r}.')
        added, added_rows = self._parts(positive)
        taken, taken_rows = self._parts(negative)
        excluded = np.concatenate([added_rows, taken_rows])
        if method == "3cosadd":
            target = added.sum(axis=0) - taken.sum(axis=0)
            return self._answers(target[None], k, excluded[None])[0]
        scores = _search.multiplied(self._matrix, self._lengths(), added, taken)
        scores[excluded] = -np.inf
        return self._ranked(scores, k)

    def mean(self, keys: Sequence[Any], weights: Sequence[float] | None = None) -> NDArray[np.float32]:
        """Return the (weighted) mean of the unit vectors of several keys, shape (embedding_dim,).

        Unit vectors, so that long ones do not outweigh the rest; `nearest` of the mean finds what is near
        all.

        Parameters
        ----------
        keys : sequence of keys or vectors
        weights : sequence of float, optional
            One per key; they need not add up to 1.

        Examples
        --------
        >>> Asked(["a", "b"], [[2.0, 0.0], [0.0, 1.0]]).mean(["a", "b"]).tolist()
        [0.5, 0.5]
        """
        _check_parts(keys, ())
        units, _ = self._parts(keys)
        if weights is None:
            return np.asarray(units.mean(axis=0))
        shares = of_shape(np.asarray(weights, np.float32), (len(units),), "weights")
        if not shares.sum():
            raise ArgumentError("`weights` of `mean` must not add up to 0. Give at least one that counts.")
        return np.asarray(shares @ units / shares.sum(), np.float32)

    def doesnt_match(self, keys: Sequence[Key]) -> Key:
        """Return the one of several keys that is least like the mean of them all.

        Examples
        --------
        >>> w = Asked(["cat", "dog", "car"], [[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]])
        >>> w.doesnt_match(["cat", "dog", "car"])
        'car'
        """
        _check_parts(keys, ())
        units, _ = self._parts(keys)
        return keys[int((units @ units.mean(axis=0)).argmin())]

    def rank(self, a: Key, b: Key) -> int:
        """Return the place of `b` among the neighbours of `a`: 1 for the nearest.

        Examples
        --------
        >>> Asked(["cat", "dog", "car"], [[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]]).rank("cat", "car")
        2
        """
        row, other = self._index.row(a), self._index.row(b)
        scores = _search.cosines(self._matrix, self._lengths(), np.asarray(self[a], np.float32))
        closer = scores > scores[other]
        closer[row] = False
        return int(closer.sum()) + (row != other)

    def _parts(self, parts: Sequence[Any]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the unit vectors of keys and vectors, and the rows of the keys among them."""
        vectors = np.empty((len(parts), self.embedding_dim), np.float32)
        rows = []
        for place, part in enumerate(parts):
            if self._is_vector(part):
                vectors[place] = self._as_query(part)
            else:
                vectors[place] = self[part]
                rows.append(self._index.find(part))
        return _search.unit_rows(vectors), np.array([row for row in rows if row is not None], np.int64)

    def _ranked(self, scores: NDArray[np.float32], k: int) -> Ranked:
        _check_k(k)
        best = np.argsort(-scores, kind="stable")[:k].tolist()
        return [(self.keys[row], float(scores[row])) for row in best if scores[row] > -np.inf]

    def questions(self, asked: Any) -> tuple[bool, NDArray[np.float32], NDArray[np.int64] | None]:
        """Return whether it is one question, the query vectors, and the row each must leave out, or -1."""
        if self._is_vector(asked):
            return True, self._as_query(asked)[None], None
        if isinstance(asked, np.ndarray) and asked.ndim == 2 and asked.dtype.kind == "f":
            return (
                False,
                of_shape(asked, (len(asked), self.embedding_dim), "key_or_vector").astype(np.float32),
                None,
            )
        single = not isinstance(asked, (list, tuple, np.ndarray))
        keys = [asked] if single else list(asked)
        queries = np.empty((len(keys), self.embedding_dim), np.float32)
        excluded = np.empty((len(keys), 1), np.int64)
        for position, key in enumerate(keys):
            row = self._index.find(key)
            queries[position] = self[key] if row is None else self._row_of(row)
            excluded[position] = -1 if row is None else row
        return single, queries, excluded

    def _is_vector(self, value: Any) -> bool:
        if isinstance(value, np.ndarray):
            return value.ndim == 1 and value.dtype.kind == "f"
        return isinstance(value, (list, tuple)) and len(value) > 0 and all(type(v) is float for v in value)

    def _as_query(self, vector: Any) -> NDArray[np.float32]:
        return of_shape(np.asarray(vector), (self.embedding_dim,), "key_or_vector").astype(np.float32)

    def _answers(
        self, queries: NDArray[np.float32], k: int, excluded: NDArray[np.int64] | None
    ) -> list[Ranked]:
        _check_k(k)
        rows, scores = _search.nearest_rows(self._matrix, self._lengths(), queries, k, excluded=excluded)
        keys = self.keys
        return [
            [(keys[row], score) for row, score in zip(r, s, strict=True) if row >= 0]
            for r, s in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    def _lengths(self) -> NDArray[np.float32]:
        if self._norms is None:
            self._norms = _search.row_norms(self._matrix)
        return self._norms


def _check_k(k: int) -> None:
    if k < 1:
        raise ArgumentError(f"`k` must be at least 1; got {k}. Ask for one key or more.")


def _check_parts(positive: Sequence[Any], negative: Sequence[Any]) -> None:
    for parts in (positive, negative):
        if isinstance(parts, (str, bytes)):
            raise ArgumentTypeError(
                f"Keys must be given in lists of keys; got the text {parts!r}. Put it in a list."
            )
    if not len(positive) and not len(negative):
        raise ArgumentError(
            "There must be at least one key or vector to ask about; got none. Give one or more."
        )
