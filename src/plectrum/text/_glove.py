"""GloVe: vectors whose products are the logarithms of how often words meet."""

import json
import os
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from plectrum import formats
from plectrum.errors import ArgumentError
from plectrum.kernels._threads import run_in_threads
from plectrum.kernels.cooccurrence import cpu
from plectrum.text._checks import check_number
from plectrum.text._cooccurrence import Pairs, count_cooccurrences, shuffled
from plectrum.text._corpus import Source, read_corpus
from plectrum.training._pair_plan import PairEpoch, PairListener, PairPlan
from plectrum.training._pair_report import PairReporter, ProgressLine
from plectrum.training._pair_tables import Floats, aligned_zeros
from plectrum.training._pairs import n_threads_of
from plectrum.vectors import ShowsVectors, Vectors
from plectrum.vocabulary import Vocabulary

_AT_ONCE = 1 << 21  # entries shuffled in memory


class GloVe(ShowsVectors, BaseEstimator):
    """Word vectors from counts of co-occurrence, fitted by weighted least squares (Pennington et al. 2014).

    Minimises ``sum f(X_ij) (w_i . c_j + a_i + b_j - log X_ij) ** 2``, X_ij being the occurrences of i near j,
    each divided by its distance, and ``f(x) = min(1, (x / x_max) ** alpha)``, by AdaGrad. The vector of a
    word is ``w_i + c_i``.

    Parameters
    ----------
    embedding_dim : int, default 100
    window : int, default 15
        Words on either side; at most 255.
    min_count : int, default 5
    epochs : int, default 25
        Passes over the pairs.
    x_max : float, default 10
        Pairs met so often or more weigh 1. The authors take 100 for texts of billions of words, 10 for less.
    alpha : float, default 0.75
    learning_rate : float, default 0.05
    max_vocabulary : int, optional
    memory : int, default 2**31
        Bytes for counting pairs; with more of them than fit, temporary files are used.
    deterministic : bool, default False
        One thread, so that the bits are the same for any `n_jobs`.
    n_jobs : int, default -1
    random_state : int, RandomState or None
    progress : bool or callable
        As for `Word2Vec`; a "word" is a pair here.

    Attributes
    ----------
    vectors_ : Vectors
    vocabulary_ : Vocabulary
    history_ : list of PairEpoch
        The loss is the mean over pairs of ``0.5 f (error ** 2)``.
    n_words_, n_distinct_, n_pairs_ : int
        Words read, different ones, and pairs counted.

    Examples
    --------
    >>> from plectrum import GloVe
    >>> text = [["sun", "warm", "day"], ["moon", "cold", "night"]] * 50
    >>> GloVe(embedding_dim=4, random_state=0, n_jobs=1).fit(text).vectors_.nearest("sun", k=2)[0][0]
    'warm'
    """

    vectors_: Vectors
    vocabulary_: Vocabulary

    def __init__(
        self,
        *,
        embedding_dim: int = 100,
        window: int = 15,
        min_count: int = 5,
        epochs: int = 25,
        x_max: float = 10.0,
        alpha: float = 0.75,
        learning_rate: float = 0.05,
        max_vocabulary: int | None = None,
        memory: int = 1 << 31,
        deterministic: bool = False,
        n_jobs: int | None = -1,
        random_state: Any = None,
        progress: bool | PairListener = False,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.window = window
        self.min_count = min_count
        self.epochs = epochs
        self.x_max = x_max
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.max_vocabulary = max_vocabulary
        self.memory = memory
        self.deterministic = deterministic
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.progress = progress

    def fit(self, text: Source, y: object = None, *, column: str | None = None) -> Self:  # noqa: ARG002
        """Count and fit; `text` and `column` are those of `Word2Vec.fit`."""
        self._check()
        corpus = read_corpus(text, column=column, min_count=self.min_count, max_size=self.max_vocabulary)
        generator = np.random.default_rng(check_random_state(self.random_state).randint(1 << 31))
        n = len(corpus.keys)
        pairs = count_cooccurrences(corpus.tokens, n, window=self.window, memory=self.memory)
        w, c = (self._begin_table(n, generator) for _ in range(2))
        self.history_ = self._train(pairs, w, c, generator)
        self.n_words_, self.n_distinct_, self.n_pairs_ = corpus.n_words, corpus.n_distinct, len(pairs.keys)
        return self._show(corpus.keys, corpus.counts, (w + c)[:, : self.embedding_dim].copy())

    def save_model(self, folder: str | os.PathLike[str]) -> None:
        """Write ``weights.safetensors`` and ``model.json``, no pickle."""
        from safetensors.numpy import save_file

        check_is_fitted(self, "vectors_")
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        weights = {"vectors": self.vectors_.matrix, "counts": np.asarray(self.vectors_.counts)}
        save_file(weights, place / "weights.safetensors")
        parameters = {**self.get_params(deep=False), "progress": False}
        if not isinstance(parameters["random_state"], int):
            parameters["random_state"] = None
        about = {
            "estimator": "GloVe",
            "parameters": parameters,
            "keys": formats.keys_to_json(list(self.vectors_.keys)),
            "learned": {name: getattr(self, name) for name in ("n_words_", "n_distinct_", "n_pairs_")},
            "history": [[e.epoch, e.loss, e.learning_rate, e.seconds] for e in self.history_],
        }
        (place / "model.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load_model(cls, folder: str | os.PathLike[str]) -> Self:
        """Return the fitted estimator that `save_model` wrote."""
        from safetensors.numpy import load_file

        place = Path(folder)
        about = json.loads((place / "model.json").read_text(encoding="utf-8"))
        if about["estimator"] != "GloVe":
            raise ArgumentError(
                f"`folder` of `GloVe.load_model` must hold a GloVe; {os.fspath(folder)!r} holds a "
                f"{about['estimator']}. Use plectrum.{about['estimator']}.load_model."
            )
        made = cls(**about["parameters"])
        for name, value in about["learned"].items():
            setattr(made, name, value)
        made.history_ = [PairEpoch(*epoch) for epoch in about["history"]]
        arrays = load_file(place / "weights.safetensors")
        return made._show(list(formats.keys_from_json(about["keys"])), arrays["counts"], arrays["vectors"])

    def _show(self, keys: list[Any], counts: Any, matrix: Any) -> Self:
        self.vectors_ = Vectors(keys, matrix, counts)
        self.vocabulary_ = self.vectors_.vocabulary
        return self

    def _check(self) -> None:
        for name in ("embedding_dim", "window", "min_count"):
            check_number("GloVe", name, getattr(self, name), 1, whole=True)
        check_number("GloVe", "epochs", self.epochs, 0, whole=True)
        for name in ("learning_rate", "alpha"):
            check_number("GloVe", name, getattr(self, name), 0)
        if self.window > cpu.MAX_WINDOW:
            raise ArgumentError(
                f"`window` of `GloVe` must be at most {cpu.MAX_WINDOW}; got {self.window}. Pass less."
            )
        if not self.x_max > 0:
            raise ArgumentError(f"`x_max` of `GloVe` must be above 0; got {self.x_max}. Pass x_max=10.")

    def _begin_table(self, n: int, generator: np.random.Generator) -> Floats:
        table = aligned_zeros(n, self.embedding_dim)
        dim = self.embedding_dim
        table[:, :dim] = (generator.random((n, dim), np.float32) - np.float32(0.5)) / np.float32(dim)
        return table

    def _train(self, pairs: Pairs, w: Floats, c: Floats, generator: np.random.Generator) -> list[PairEpoch]:
        bias = np.zeros((len(w), 2), np.float32)
        state = (w, c, bias, *(np.ones_like(table) for table in (w, c, bias)))
        how = np.float32(self.learning_rate), self.x_max, self.alpha
        n_threads = 1 if self.deterministic else n_threads_of(self.n_jobs)
        listener = ProgressLine() if self.progress is True else self.progress or None
        report = PairReporter(listener, PairPlan(epochs=self.epochs), len(pairs.keys))
        history = []
        for epoch in range(self.epochs):
            loss, done = 0.0, 0
            for keys, counts in shuffled(pairs, _AT_ONCE, generator):
                pieces = np.array_split(np.arange(len(keys)), n_threads) if len(keys) else []
                calls = [
                    (keys[piece[0] : piece[-1] + 1], counts[piece[0] : piece[-1] + 1], len(w), *state, *how)
                    for piece in pieces
                    if len(piece)
                ]
                loss += sum(run_in_threads(cpu.glove, calls, n_threads))
                done += len(keys)
                report.tell(epoch, done / max(len(pairs.keys), 1), loss / max(done, 1), self.learning_rate)
            history.append(report.end_epoch(loss / max(done, 1), self.learning_rate))
        return history
