"""Analogies: how often a is to b as c is to d."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import DataError, check_choice
from plectrum.evaluate._words import Words, words_of
from plectrum.vectors import Vectors
from plectrum.vectors._search import nearest_rows

# The habits of other programs, as arguments of `analogies`: their scores are comparable to no others.
CONVENTIONS: Mapping[str, Mapping[str, Any]] = {
    "word2vec": {"restrict": 30_000, "fold_case": True, "missing": "drop", "method": "3cosadd"},
    "gensim": {"restrict": 300_000, "fold_case": True, "missing": "drop", "method": "3cosadd"},
    "glove": {"restrict": None, "fold_case": False, "missing": "drop", "method": "3cosadd"},
    "hyperwords": {"restrict": None, "fold_case": True, "missing": "wrong", "method": "3cosadd"},
    "hyperwords-mul": {"restrict": None, "fold_case": True, "missing": "wrong", "method": "3cosmul"},
}
_SCORES_AT_ONCE = 1 << 23  # 32 MB of float32
_EPSILON = 0.001  # 3CosMul's, so that nothing is divided by zero (Levy, Goldberg 2014)


@dataclass(frozen=True)
class SectionScore:
    """One section of the questions.

    Attributes
    ----------
    name : str
    n_correct, n_asked, n_questions : int
        Right answers; questions that were asked; questions in the file.
    """

    name: str
    n_correct: int
    n_asked: int
    n_questions: int

    @property
    def accuracy(self) -> float | None:
        """Right answers by questions asked; None when none was asked."""
        return self.n_correct / self.n_asked if self.n_asked else None


@dataclass(frozen=True)
class AnalogyScores:
    """The result of `analogies`; prints as a table.

    Attributes
    ----------
    accuracy : float or None
        Right answers by questions asked (with ``missing="wrong"``: by all questions).
    semantic, syntactic : float or None
        The same over the sections whose names do not, and do, begin with "gram".
    coverage : float
        Questions all of whose words take part, by all questions.
    n_correct, n_asked, n_questions : int
    sections : tuple of SectionScore
    convention : dict
        The arguments the score depends on.
    """

    accuracy: float | None
    semantic: float | None
    syntactic: float | None
    coverage: float
    n_correct: int
    n_asked: int
    n_questions: int
    sections: tuple[SectionScore, ...]
    convention: dict[str, Any]

    def __str__(self) -> str:
        width = max([len(section.name) for section in self.sections] + [9])
        rows = [
            (section.name, section.accuracy, section.n_correct, section.n_asked) for section in self.sections
        ]
        lines = [
            f"{name:<{width}}  {_percent(score)}  {right:>6,} of {asked:,}"
            for name, score, right, asked in rows
        ]
        how = ", ".join(f"{name}={value}" for name, value in self.convention.items())
        return "\n".join(
            [
                *lines,
                f"{'semantic':<{width}}  {_percent(self.semantic)}",
                f"{'syntactic':<{width}}  {_percent(self.syntactic)}",
                f"{'all':<{width}}  {_percent(self.accuracy)}  {self.n_correct:>6,} of {self.n_asked:,}",
                f"coverage {_percent(self.coverage).strip()}: {self.n_questions:,} questions in the file "
                f"({how})",
            ]
        )


def _percent(share: float | None) -> str:
    return "     -" if share is None else f"{share:>6.1%}"


def analogies(
    vectors: Vectors,
    path: str | os.PathLike[str],
    *,
    restrict: int | None = 30_000,
    fold_case: bool = True,
    missing: Literal["drop", "wrong"] = "drop",
    method: Literal["3cosadd", "3cosmul"] = "3cosadd",
    convention: str | None = None,
) -> AnalogyScores:
    """Return how many analogies vectors answer rightly: a is to b as c is to which word?

    The answer is the word, of those that take part and are not in the question, with the highest
    ``cos(x, b - a + c)`` over unit vectors (3CosAdd), or ``cos(x, b) cos(x, c) / (cos(x, a) + 0.001)`` with
    cosines moved to [0, 1] (3CosMul; Levy, Goldberg 2014).

    Parameters
    ----------
    vectors : Vectors
    path : path
        Lines of four words; a line ``: name`` begins a section.
    restrict : int or None
        Only this many keys take part, the most frequent (by counts; without, the first). word2vec's demos and
        most published scores on small corpora take 30,000.
    fold_case : bool
        Whether words that differ in case alone are one word.
    missing : "drop" or "wrong"
        Whether questions with a word that takes no part are left out or count as wrong.
    method : "3cosadd" or "3cosmul"
    convention : str, optional
        A name in `CONVENTIONS`, which sets the four arguments above as another program has them.

    Returns
    -------
    AnalogyScores

    Raises
    ------
    DataError
        The file holds no analogies, or a line that is none.

    Notes
    -----
    Cost: a matrix product of questions and words, block by block; at most 64 MB beside the restricted matrix.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> w = Vectors(["man", "king", "woman", "queen"], [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1.0]])
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "questions.txt"
    >>> _ = path.write_text(": family" + chr(10) + "man king woman queen" + chr(10))
    >>> analogies(w, path).accuracy
    1.0
    """
    how: dict[str, Any] = {"restrict": restrict, "fold_case": fold_case, "missing": missing, "method": method}
    if convention is not None:
        check_choice(convention, CONVENTIONS, argument="convention", owner="analogies")
        how = dict(CONVENTIONS[convention])
    _check(how)
    sections = _read_questions(Path(path))
    words = words_of(vectors, restrict=how["restrict"], fold_case=how["fold_case"])
    numbers = [np.array([words.find(question) for question in section], np.int64) for _, section in sections]
    questions = np.concatenate([part.reshape(-1, 4) for part in numbers])
    known: NDArray[np.bool_] = np.asarray((questions >= 0).all(axis=1))
    right = np.zeros(len(questions), bool)
    right[known] = _answers(words, questions[known], how["method"]) == questions[known, 3]
    return _scores([(name, len(section)) for name, section in sections], known, right, how)


def _check(how: Mapping[str, Any]) -> None:
    for name, allowed in (("missing", ("drop", "wrong")), ("method", ("3cosadd", "3cosmul"))):
        check_choice(how[name], allowed, argument=name, owner="analogies")


def _read_questions(path: Path) -> list[tuple[str, list[list[str]]]]:
    """Return the sections: their names and their questions of four words."""
    sections: list[tuple[str, list[list[str]]]] = []
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(":"):
                sections.append((line[1:].strip(), []))
                continue
            words = line.split()
            if not words or line.startswith("#"):
                continue
            if len(words) != 4:
                raise DataError(
                    f"{os.fspath(path)!r} at line {number:,}: expected four words, or a colon and a "
                    "section's name; "
                    f"got {line.strip()[:60]!r}. Correct the line, or put # before it."
                )
            if not sections:
                sections.append(("questions", []))
            sections[-1][1].append(words)
    if not any(section for _, section in sections):
        raise DataError(
            f"{os.fspath(path)!r}: expected lines of four words; got none. Give a file of analogies."
        )
    return sections


def _answers(words: Words, questions: NDArray[np.int64], method: str) -> NDArray[np.int64]:
    """Return the number of the word that answers each question (n_questions, 4); -1 when none is left."""
    rows_asked = _rows_of(words, questions[:, :3])
    rows = (_added if method == "3cosadd" else _multiplied)(words, questions, rows_asked)
    return np.where(rows >= 0, words.word_of_row[rows], -1)


def _rows_of(words: Words, asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all rows of each question's words (n_questions, the most there are); -1 fills the others up."""
    order = np.argsort(words.word_of_row, kind="stable")  # rows of one word stand together
    n_rows = np.bincount(words.word_of_row)
    ends = np.cumsum(n_rows)[asked][:, :, None]
    most = int(n_rows[asked].max(initial=1))
    places = ends - n_rows[asked][:, :, None] + np.arange(most)
    rows = np.where(places < ends, order[np.minimum(places, len(order) - 1)], -1)
    return rows.reshape(len(asked), 3 * most)


def _parts(words: Words, questions: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    return [words.units[words.row_of_word[questions[:, i]]] for i in range(3)]


def _added(words: Words, questions: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row that 3CosAdd finds for each question among those that it does not ask about."""
    a, b, c = _parts(words, questions)
    lengths = np.ones(len(words.units), np.float32)
    return nearest_rows(words.units, lengths, b - a + c, 1, excluded=asked)[0][:, 0]


def _multiplied(words: Words, questions: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row that 3CosMul finds for each question among those that it does not ask about."""
    found = np.empty(len(questions), np.int64)
    at_once = max(1, _SCORES_AT_ONCE // max(1, len(words.units)))
    for first in range(0, len(questions), at_once):
        a, b, c = _parts(words, questions[first : first + at_once])
        scores = b @ words.units.T
        scores += 1
        factor = c @ words.units.T
        factor += 1
        scores *= factor
        np.matmul(a, words.units.T, out=factor)
        factor += 1 + 2 * _EPSILON
        scores /= factor
        question, column = np.nonzero(asked[first : first + at_once] >= 0)
        scores[question, asked[first : first + at_once][question, column]] = -np.inf
        best = scores.argmax(axis=1)
        found[first : first + at_once] = np.where(scores.max(axis=1) > -np.inf, best, -1)
    return found


def _scores(
    sections: list[tuple[str, int]], known: NDArray[np.bool_], right: NDArray[np.bool_], how: dict[str, Any]
) -> AnalogyScores:
    found = []
    first = 0
    for name, n_questions in sections:
        part = slice(first, first + n_questions)
        n_asked = n_questions if how["missing"] == "wrong" else int(known[part].sum())
        found.append(SectionScore(name, int(right[part].sum()), n_asked, n_questions))
        first += n_questions
    syntactic = [section for section in found if section.name.startswith("gram")]
    semantic = [section for section in found if not section.name.startswith("gram")]
    return AnalogyScores(
        accuracy=_accuracy(found),
        semantic=_accuracy(semantic),
        syntactic=_accuracy(syntactic),
        coverage=float(known.mean()),
        n_correct=int(right.sum()),
        n_asked=sum(section.n_asked for section in found),
        n_questions=len(known),
        sections=tuple(found),
        convention=dict(how),
    )


def _accuracy(sections: list[SectionScore]) -> float | None:
    n_asked = sum(section.n_asked for section in sections)
    return sum(section.n_correct for section in sections) / n_asked if n_asked else None
