"""FastText: words as bags of character n-grams, so that words that were never seen have vectors too."""

import os
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from plectrum import formats
from plectrum.errors import ArgumentError, ArgumentTypeError
from plectrum.text._corpus import Corpus
from plectrum.text._ngrams import ngram_buckets
from plectrum.text._pair_estimator import PairEstimator
from plectrum.training._pair_plan import PairListener, PairPlan
from plectrum.training._pair_tables import PairTables, aligned_zeros, random_rows
from plectrum.vectors import Vectors

_SHARED = 48  # negatives of a block: rows that many words share need less noise; 0.01 in analogies on fil8


class FastText(PairEstimator):
    """Word vectors that are means of vectors of character n-grams (Bojanowski et al. 2017).

    As `Word2Vec`, but the input vector of a word is the mean of its own row and of the rows of the n-grams of
    ``<word>``, `min_n` to `max_n` characters long, hashed as fastText hashes them. Rare words borrow from
    words that look like them, and ``vectors_["unheardof"]`` is the mean of the n-grams it is made of.

    The gradient of a centre is given to its n-grams once for all its contexts, not once for each of them as
    fastText and gensim do: the same sum, for a fraction of the memory traffic.

    Parameters
    ----------
    min_n, max_n : int, default 3 and 6
        Length of the n-grams in characters; ``max_n=0`` for none.
    bucket : int, default 2_000_000
        n-grams are hashed to so many numbers. Rows are only made for those that the vocabulary has.
    learning_rate : float, optional
        At the start; 0.05 when left out, as in fastText.
    embedding_dim, window, negative, epochs, min_count, sample, architecture, hierarchical_softmax, \
min_learning_rate, ns_exponent, shrink_windows, max_vocabulary, initial_vectors, freeze_initial, \
deterministic, n_jobs, random_state, progress
        As for `Word2Vec`. `initial_vectors` sets the rows of whole words, not those of n-grams. With
        `deterministic` one thread does the work.

    Attributes
    ----------
    vectors_ : Vectors
        Those of the vocabulary; any other text is answered through `Vectors.subwords`.
    vocabulary_, context_vectors_, history_, n_words_
        As for `Word2Vec`.

    Notes
    -----
    Cost: memory for ``(2 n_words + n_ngrams) x embedding_dim`` floats, n_ngrams being the distinct buckets of
    the vocabulary's n-grams, at most `bucket`. An unseen word's n-grams that no known word has are left out
    of its mean; fastText counts them with the random numbers that they began with.

    Examples
    --------
    >>> from plectrum import FastText
    >>> text = [["walk", "walking", "walked"], ["talk", "talking", "talked"]] * 50
    >>> model = FastText(embedding_dim=8, epochs=5, random_state=0, n_jobs=1).fit(text)
    >>> "stalking" in model.vectors_, model.vectors_["stalking"].shape
    (False, (8,))
    """

    _learning_rates: ClassVar = {"skip-gram": 0.05, "cbow": 0.05}

    def __init__(
        self,
        *,
        embedding_dim: int = 100,
        window: int = 5,
        negative: int = 5,
        epochs: int = 5,
        min_count: int = 5,
        sample: float = 1e-3,
        architecture: Literal["skip-gram", "cbow"] = "skip-gram",
        min_n: int = 3,
        max_n: int = 6,
        bucket: int = 2_000_000,
        hierarchical_softmax: bool = False,
        learning_rate: float | None = None,
        min_learning_rate: float = 1e-4,
        ns_exponent: float = 0.75,
        shrink_windows: bool = True,
        max_vocabulary: int | None = None,
        initial_vectors: Vectors | str | os.PathLike[str] | None = None,
        freeze_initial: bool = False,
        deterministic: bool = False,
        n_jobs: int | None = -1,
        random_state: Any = None,
        progress: bool | PairListener = False,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.window = window
        self.negative = negative
        self.epochs = epochs
        self.min_count = min_count
        self.sample = sample
        self.architecture = architecture
        self.min_n = min_n
        self.max_n = max_n
        self.bucket = bucket
        self.hierarchical_softmax = hierarchical_softmax
        self.learning_rate = learning_rate
        self.min_learning_rate = min_learning_rate
        self.ns_exponent = ns_exponent
        self.shrink_windows = shrink_windows
        self.max_vocabulary = max_vocabulary
        self.initial_vectors = initial_vectors
        self.freeze_initial = freeze_initial
        self.deterministic = deterministic
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.progress = progress

    def _plan(self) -> PairPlan:
        if self.max_n and not 1 <= self.min_n <= self.max_n:
            raise ArgumentError(
                f"`min_n` and `max_n` of `FastText` must have 1 <= min_n <= max_n; got {self.min_n} and "
                f"{self.max_n}. Pass max_n=0 for no n-grams."
            )
        if self.bucket < 1:
            raise ArgumentError(
                f"`bucket` of `FastText` must be at least 1; got {self.bucket}. Pass 2_000_000."
            )
        plan = super()._plan()
        if self.max_n and plan.architecture == "skip-gram" and plan.negative:
            return replace(plan, n_shared=max(plan.n_shared, _SHARED))
        return plan

    # ---- rows: first the words, then the n-grams that they have, by rising bucket

    def _begin(self, generator: np.random.Generator, plan: PairPlan) -> PairTables:
        starts, buckets = self._ngrams_of(self._keys)
        kept = np.unique(buckets)
        tables = self._begin_tables(generator, plan, n_input_rows=len(self._keys) + len(kept))
        tables.bag_starts, tables.bags = _bags(starts, np.searchsorted(kept, buckets))
        return tables

    def _grow_inputs(self, corpus: Corpus, generator: np.random.Generator) -> None:
        tables, n_old, n = self._tables, len(self._keys), len(corpus.keys)
        starts, buckets = self._ngrams_of(corpus.keys)
        old, kept = np.unique(buckets[: starts[n_old]]), np.unique(buckets)
        places = np.concatenate([np.arange(n_old), np.searchsorted(kept, old) + n])  # of the old rows
        inputs = aligned_zeros(n + len(kept), tables.embedding_dim)
        random_rows(inputs, tables.embedding_dim, 0, generator)
        inputs[places] = tables.inputs
        if len(tables.frozen) > 1:
            frozen = np.zeros(len(inputs), np.uint8)
            frozen[places] = tables.frozen
            tables.frozen = frozen
        tables.inputs = inputs
        tables.bag_starts, tables.bags = _bags(starts, np.searchsorted(kept, buckets))

    def _ngrams_of(self, keys: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The buckets of every word's n-grams, one after the other, and where each word's begin."""
        for position, key in enumerate(keys):
            if not isinstance(key, str):
                raise ArgumentTypeError(
                    f"A word of `FastText` must be text, to have n-grams; got {key!r} (word {position} of "
                    "the vocabulary). Use Word2Vec."
                )
        if not self.max_n:
            return np.zeros(len(keys) + 1, np.int64), np.zeros(0, np.int64)
        return ngram_buckets(keys, self.min_n, self.max_n, self.bucket)

    def _make_vectors(self) -> Vectors:
        tables, n = self._tables, len(self._keys)
        table = tables.inputs[:, : tables.embedding_dim]
        kept = np.unique(self._ngrams_of(self._keys)[1])
        if not len(kept):
            return Vectors(self._keys, table[:n].copy(), self._counts)
        places = np.stack([kept, np.arange(len(kept))])
        subwords = formats.Subwords(table[n:].copy(), self.min_n, self.max_n, self.bucket, kept=places)
        matrix = subwords.word_vectors(self._keys, table[:n])
        return Vectors(self._keys, matrix, self._counts, subwords=subwords)


def _bags(
    starts: NDArray[np.int64], ngrams: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return each word's own row, then those of its n-grams, which lie behind the words' rows."""
    n = len(starts) - 1
    bag_starts = starts + np.arange(n + 1)
    bags = np.empty(bag_starts[-1], np.int32)
    is_own = np.zeros(len(bags), bool)
    is_own[bag_starts[:-1]] = True
    bags[is_own] = np.arange(n)
    bags[~is_own] = ngrams + n
    return bag_starts, bags
