"""Word2Vec."""

import os
from typing import Any, Literal

from plectrum.text._pair_estimator import PairEstimator
from plectrum.training._pair_plan import PairListener
from plectrum.vectors import Vectors


class Word2Vec(PairEstimator):
    """Word vectors from the company that words keep: skip-gram or CBOW (Mikolov et al. 2013).

    For a centre c, a context o within `window` words, and negatives n drawn with chance
    ``count ** ns_exponent``, skip-gram raises

        ``log sigmoid(in_c . out_o) + negative * mean_n log sigmoid(-in_c . out_n)``

    and CBOW the same for the centre's output row and the mean of its contexts' input rows. Words that are not
    in the vocabulary are passed over, and a window does not cross the end of a sentence. Sentences may be of
    any length.

    Parameters
    ----------
    embedding_dim : int, default 100
        Length of a vector.
    window : int, default 5
        Contexts on either side; with `shrink_windows` a number drawn from 1 to window for each centre.
    negative : int, default 5
        Negatives per pair; 0 only with `hierarchical_softmax`.
    epochs : int, default 5
        Passes over the text.
    min_count : int, default 5
        Words seen less often are left out.
    sample : float, default 1e-3
        Occurrences of words more frequent than this share of the text, and than an average word, are thinned
        out; 0 for never.
    architecture : {"skip-gram", "cbow"}
        Skip-gram is better for rare words and small texts, CBOW faster.
    hierarchical_softmax : bool, default False
        Predict words as ways through a Huffman tree, beside the negatives or (``negative=0``) instead.
    learning_rate : float, optional
        At the start; 0.025 for skip-gram and 0.05 for CBOW when left out. It falls linearly with the tokens
        seen, to `min_learning_rate`.
    ns_exponent : float, default 0.75
        Of the counts, for the negatives: 1 draws words as they occur, 0 all alike, below 0 rare ones more.
    shrink_windows : bool, default True
        Give near contexts more weight by drawing the reach of each window.
    max_vocabulary : int, optional
        Keep at most so many words, the most frequent.
    initial_vectors : Vectors or path, optional
        Where words that it has begin; ``n_initial_`` says how many were found.
    freeze_initial : bool, default False
        Leave those as they are, and learn the others around them.
    deterministic : bool, default False
        The same bits for any `n_jobs`: skip-gram with negatives then gives two threads parts of the rows that
        do not overlap, all else uses one thread.
    n_jobs : int, default -1
        Threads, -1 for all cores; with more than one, two runs differ slightly unless `deterministic`.
        ``n_jobs=1`` always gives the same bits.
    random_state : int, RandomState or None
        All chance.
    progress : bool or callable
        True shows words per second, learning rate, loss and time left on standard error; a callable gets a
        `PairProgress` a few times a second.

    Attributes
    ----------
    vectors_ : Vectors
        The input rows, in the order of falling counts.
    vocabulary_ : Vocabulary
    context_vectors_ : Vectors
        The output rows.
    history_ : list of PairEpoch
        Loss, learning rate and seconds of each epoch.
    n_words_, n_distinct_ : int
        Words read, also those left out, in all texts; different ones in the text of `fit`.

    Notes
    -----
    The centres of a block of 16 share their negatives, some six times as many as `negative`, each weighing
    less in proportion: the same gradient on average, with less memory traffic (Ji et al. 2016,
    "Parallelizing Word2Vec in Shared and Distributed Memory", arXiv:1604.04661).
    Cost: memory for two tables of ``n_words x embedding_dim`` floats, and 4 bytes per token of the text up to
    1 GiB, beyond which the tokens are kept in a temporary file.

    Examples
    --------
    >>> from plectrum import Word2Vec
    >>> text = [["sun", "warm", "day"], ["moon", "cold", "night"]] * 50
    >>> model = Word2Vec(embedding_dim=8, epochs=20, random_state=0, n_jobs=1).fit(text)
    >>> len(model.vectors_), model.vectors_["moon"].shape
    (6, (8,))
    """

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
