"""Word pairs: whether the cosine orders pairs as people order them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError, DataError
from plectrum.evaluate._words import words_of
from plectrum.vectors import Vectors


@dataclass(frozen=True)
class PairScores:
    """The result of `word_pairs`; prints as one line.

    Attributes
    ----------
    spearman, pearson : float or None
        Correlation of cosines with the ratings; None with fewer than two pairs, or when either is constant.
    coverage : float
        Pairs both of whose words have a vector, by all pairs.
    n_found, n_pairs : int
    convention : dict
        The arguments the score depends on.
    """

    spearman: float | None
    pearson: float | None
    coverage: float
    n_found: int
    n_pairs: int
    convention: dict[str, Any]

    def __str__(self) -> str:
        def show(value: float | None) -> str:
            return "-" if value is None else f"{value:.4f}"

        how = ", ".join(f"{name}={value}" for name, value in self.convention.items())
        return (
            f"Spearman {show(self.spearman)}  Pearson {show(self.pearson)}\n"
            f"coverage {self.coverage:.1%}: {self.n_found:,} of {self.n_pairs:,} pairs ({how})"
        )


def word_pairs(
    vectors: Vectors,
    path: str | os.PathLike[str],
    *,
    restrict: int | None = None,
    fold_case: bool = True,
    missing: Literal["drop", "zero"] = "drop",
) -> PairScores:
    """Return how well the cosines of word pairs agree with people's ratings of them.

    Parameters
    ----------
    vectors : Vectors
    path : path
        Lines of two words and a rating, divided by tabs, commas or spaces; lines that begin with # and
        headings are passed over. Of SimLex-999's own file the column ``SimLex999`` is taken.
    restrict : int or None
        Only this many keys take part, the most frequent (by counts; without, the first).
    fold_case : bool
        Whether words that differ in case alone are one word.
    missing : "drop" or "zero"
        Whether pairs with a word that has no vector are left out, as gensim does, or have the cosine 0.

    Returns
    -------
    PairScores
        Spearman's correlation with ties at their mean rank, and Pearson's.

    Raises
    ------
    DataError
        The file holds no pairs, or a line that is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> w = Vectors(["cup", "mug", "sky"], [[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]])
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("cup mug 9.5" + chr(10) + "cup sky 1.0" + chr(10) + "mug sky 0.5" + chr(10))
    >>> round(word_pairs(w, path).spearman, 6)
    1.0
    """
    if missing not in ("drop", "zero"):
        raise ArgumentError(f'`missing` of `word_pairs` must be "drop" or "zero"; got {missing!r}.')
    pairs, ratings = _read_pairs(Path(path))
    words = words_of(vectors, restrict=restrict, fold_case=fold_case)
    numbers = np.array([words.find(pair) for pair in pairs], np.int64).reshape(-1, 2)
    known = (numbers >= 0).all(axis=1)
    cosines = np.zeros(len(pairs))
    a, b = (words.units[words.row_of_word[numbers[known, i]]].astype(np.float64) for i in range(2))
    cosines[known] = (a * b).sum(axis=1)
    taken = known if missing == "drop" else np.ones(len(pairs), bool)
    return PairScores(
        spearman=_correlation(_ranks(cosines[taken]), _ranks(ratings[taken])),
        pearson=_correlation(cosines[taken], ratings[taken]),
        coverage=float(known.mean()),
        n_found=int(known.sum()),
        n_pairs=len(pairs),
        convention={"restrict": restrict, "fold_case": fold_case, "missing": missing},
    )


def _read_pairs(path: Path) -> tuple[list[list[str]], NDArray[np.float64]]:
    pairs: list[list[str]] = []
    ratings: list[float] = []
    column = 2
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = _fields(line)
            rating = _rating(fields, column)
            if rating is not None:
                pairs.append(fields[:2])
                ratings.append(rating)
            elif not pairs and len(fields) > 2:  # a heading
                column = fields.index("SimLex999") if "SimLex999" in fields else 2
            else:
                raise DataError(
                    f"{os.fspath(path)!r} at line {number:,}: expected two words and a rating; got "
                    f"{line.strip()[:60]!r}. Correct the line, or put # before it."
                )
    if not pairs:
        raise DataError(f"{os.fspath(path)!r}: expected lines of two words and a rating; got none.")
    return pairs, np.array(ratings)


def _fields(line: str) -> list[str]:
    for sign in ("\t", ","):
        if line.count(sign) >= 2:
            return [field.strip() for field in line.split(sign)]
    return line.split()


def _rating(fields: list[str], column: int) -> float | None:
    try:
        return float(fields[column])
    except (ValueError, IndexError):
        return None


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1; equal values share the mean of theirs."""
    _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[number])


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if len(a) < 2:
        return None
    a, b = a - a.mean(), b - b.mean()
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length > 0 else None
