"""TextClassifier: a linear model on bags of words and n-grams, as fastText's supervised mode."""

import json
import os
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from plectrum import formats
from plectrum.errors import ArgumentError, DataError
from plectrum.kernels._threads import run_in_threads
from plectrum.kernels.pairs import cpu
from plectrum.text._checks import check_number
from plectrum.text._lines import LABEL_PREFIX, Lines, as_texts, one_line, rows_of_texts
from plectrum.training._pair_plan import PairEpoch, PairListener, PairPlan
from plectrum.training._pair_report import PairReporter, ProgressLine
from plectrum.training._pair_tables import Floats, aligned_zeros
from plectrum.training._pairs import n_threads_of
from plectrum.vectors import ShowsVectors, Vectors

_PIECE = 4096  # texts that a thread takes at once


class TextClassifier(ShowsVectors, ClassifierMixin, BaseEstimator):
    """A classifier of short texts that trains in seconds (Joulin et al. 2017, "Bag of Tricks").

    A text is the mean of the vectors of its words, of the end of the text, of its sequences of up to
    `word_ngrams` words and, with `max_n`, of its words' character n-grams; its label is predicted from that
    by softmax. Loads fastText's supervised models, whose predictions it gives exactly.

    Parameters
    ----------
    embedding_dim : int, default 100
    epochs : int, default 5
    learning_rate : float, default 0.5
        At the start; it falls to 0.
    word_ngrams : int, default 2
        Longest sequence of words; 1 for single words only.
    min_count : int, default 1
    min_n, max_n : int, default 0
        Length of character n-grams; ``max_n=0`` for none.
    bucket : int, default 2_000_000
        n-grams are hashed to so many numbers; rows are made for those that occur.
    n_jobs : int, optional
        Threads; None is one, which always gives the same bits.
    random_state : int, RandomState or None
    progress : bool or callable
        As for `Word2Vec`; a "word" is a text here.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    history_ : list of PairEpoch
        Mean of ``-log p(label)``.

    Examples
    --------
    >>> from plectrum import TextClassifier
    >>> texts = ["a fine film", "a dull film", "fine acting", "dull plot"] * 20
    >>> model = TextClassifier(embedding_dim=8, random_state=0).fit(texts, ["good", "bad"] * 40)
    >>> model.predict(["fine plot"]).tolist()
    ['good']
    """

    classes_: NDArray[Any]
    history_: list[PairEpoch]
    _is_fasttexts = False  # whether fastText wrote the model

    def __init__(
        self,
        *,
        embedding_dim: int = 100,
        epochs: int = 5,
        learning_rate: float = 0.5,
        word_ngrams: int = 2,
        min_count: int = 1,
        min_n: int = 0,
        max_n: int = 0,
        bucket: int = 2_000_000,
        n_jobs: int | None = None,
        random_state: Any = None,
        progress: bool | PairListener = False,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.word_ngrams = word_ngrams
        self.min_count = min_count
        self.min_n = min_n
        self.max_n = max_n
        self.bucket = bucket
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.progress = progress

    def fit(self, texts: Any, labels: Any) -> Self:
        """Learn to tell the labels of texts.

        Parameters
        ----------
        texts : sequence of str, of length n
            Words between white space; lower-case them first if case says nothing.
        labels : sequence of length n
            Text or numbers.
        """
        self._check()
        found = as_texts(texts, "TextClassifier.fit")
        self.classes_, targets = np.unique(np.asarray(labels), return_inverse=True)
        if len(targets) != len(found):
            raise ArgumentError(
                f"`labels` of `TextClassifier.fit` must be one per text, {len(found):,}; got "
                f"{len(targets):,}. Pass both from the same rows."
            )
        if not len(found):
            raise DataError("`texts` of `TextClassifier.fit` must hold a text; got none. Pass some.")
        lines = rows_of_texts(
            found, min_count=self.min_count, word_ngrams=self.word_ngrams, min_n=self.min_n, max_n=self.max_n,
            bucket=self.bucket,
        )  # fmt: skip
        inputs, outputs = self._train(lines, targets.astype(np.int64))
        self._keep(lines, inputs, outputs, np.bincount(targets))
        return self

    def predict_proba(self, texts: Any) -> NDArray[np.float64]:
        """Return the probability of each class, (n, n_classes), in the order of `classes_`.

        Of a model that fastText wrote they are what its own ``predict`` returns, 1e-5 more than the exact
        probability, so that a row adds up to a little more than 1.
        """
        check_is_fitted(self, "classes_")
        found = as_texts(texts, "TextClassifier.predict")
        if not found:
            return np.zeros((0, len(self.classes_)))
        vectors = np.stack([self._lines.vector(one_line(text)) for text in found])
        return formats.label_probabilities(self._model, vectors, as_predicted=self._is_fasttexts)

    def predict(self, texts: Any) -> NDArray[Any]:
        """Return the most probable class of each text, (n,)."""
        best: NDArray[Any] = self.classes_[self.predict_proba(texts).argmax(axis=1)]
        return best

    def transform(self, texts: Any) -> NDArray[np.float32]:
        """Return the vectors of texts, (n, embedding_dim)."""
        check_is_fitted(self, "classes_")
        found = as_texts(texts, "TextClassifier.transform")
        rows = [self._lines.vector(one_line(text)) for text in found]
        return np.array(rows, np.float32).reshape(len(found), self._model.arguments["dim"])

    @property
    def vectors_(self) -> Vectors:
        """The vectors of the words, with their counts; those of n-grams are not among them."""
        check_is_fitted(self, "classes_")
        model = self._model
        rows = np.asarray(model.input_rows[np.arange(len(model.words))], np.float32)
        return Vectors(model.words, rows, model.word_counts)

    # ---- files

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return a classifier from a folder that `save` wrote, or from fastText's supervised .bin or .ftz.

        The classes of a fastText model are its labels as they stand there, ``__label__`` included. It
        predicts; it cannot be trained on.

        Raises
        ------
        FormatError
            The file is damaged, or no fastText model.
        ArgumentError
            It is a model without labels.
        """
        place = Path(path)
        if place.is_dir():
            return cls.load_model(place)
        model = formats.read_fasttext_model(place)
        if model.arguments["model"] != "supervised":
            raise ArgumentError(
                f"`path` of `TextClassifier.load` must be a supervised model; {os.fspath(path)!r} holds a "
                f"{model.arguments['model']} model, which has no labels. Use plectrum.load for its vectors."
            )
        about = model.arguments
        made = cls(
            embedding_dim=about["dim"], epochs=about["epoch"], word_ngrams=about["word_ngrams"],
            min_count=about["min_count"], min_n=about["min_n"], max_n=about["max_n"], bucket=about["bucket"],
        )  # fmt: skip
        made.classes_, made.history_ = np.array(model.labels), []
        made._model, made._lines, made._is_fasttexts = model, formats.FastTextLines(model), True
        return made

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``weights.safetensors`` and ``model.json``, no pickle."""
        from safetensors.numpy import save_file

        check_is_fitted(self, "classes_")
        place, model = Path(folder), self._model
        place.mkdir(parents=True, exist_ok=True)
        n = model.input_rows.shape[0]
        weights = {
            "inputs": np.ascontiguousarray(model.input_rows[np.arange(n)]),
            "labels": np.ascontiguousarray(model.output_rows[np.arange(model.output_rows.shape[0])]),
            "word_counts": model.word_counts,
            "label_counts": model.label_counts,
        }
        if model.kept is not None:
            weights["kept"] = model.kept
        save_file(weights, place / "weights.safetensors")
        parameters = {**self.get_params(deep=False), "progress": False}
        if not isinstance(parameters["random_state"], int):
            parameters["random_state"] = None
        about = {
            "estimator": "TextClassifier",
            "parameters": parameters,
            "arguments": model.arguments,
            "words": formats.keys_to_json(model.words),
            "labels": model.labels,
            "classes": self.classes_.tolist(),
            "is_fasttexts": self._is_fasttexts,
            "history": [[e.epoch, e.loss, e.learning_rate, e.seconds] for e in self.history_],
        }
        (place / "model.json").write_text(json.dumps(about), encoding="utf-8")

    save_model = save

    @classmethod
    def load_model(cls, folder: str | os.PathLike[str]) -> Self:
        """Return the classifier that `save` wrote."""
        from safetensors.numpy import load_file

        about = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8"))
        arrays = load_file(Path(folder) / "weights.safetensors")
        made = cls(**about["parameters"])
        made.classes_ = np.array(about["classes"])
        made._is_fasttexts = about.get("is_fasttexts", False)
        made.history_ = [PairEpoch(*epoch) for epoch in about["history"]]
        made._model = formats.FastTextModel(
            about["arguments"], [str(word) for word in formats.keys_from_json(about["words"])],
            about["labels"], arrays["word_counts"], arrays["label_counts"], arrays["inputs"],
            arrays["labels"], arrays.get("kept"),
        )  # fmt: skip
        made._lines = formats.FastTextLines(made._model)
        return made

    # ---- inside

    def _check(self) -> None:
        for name in ("embedding_dim", "min_count", "word_ngrams", "bucket"):
            check_number("TextClassifier", name, getattr(self, name), 1, whole=True)
        for name in ("epochs", "min_n", "max_n"):
            check_number("TextClassifier", name, getattr(self, name), 0, whole=True)
        check_number("TextClassifier", "learning_rate", self.learning_rate, 0)
        if self.max_n and not 1 <= self.min_n <= self.max_n:
            raise ArgumentError(
                "`min_n` and `max_n` of `TextClassifier` must have 1 <= min_n <= max_n; got "
                f"{self.min_n} and {self.max_n}. Pass max_n=0 for no character n-grams."
            )

    def _train(self, lines: Lines, targets: NDArray[np.int64]) -> tuple[Floats, Floats]:
        generator = np.random.default_rng(check_random_state(self.random_state).randint(1 << 31))
        dim, n_labels, n = self.embedding_dim, len(self.classes_), len(targets)
        inputs = aligned_zeros(len(lines.words) + len(lines.kept), dim)
        fresh = generator.random((len(inputs), dim), np.float32)
        inputs[:, :dim] = (2 * fresh - 1) / np.float32(dim)
        outputs = aligned_zeros(n_labels, dim)
        flat = inputs.reshape(-1), outputs.reshape(-1), n_labels, lines.starts, lines.rows, targets
        longest = int(np.diff(lines.starts).max(initial=0))
        n_threads = n_threads_of(self.n_jobs)
        listener = ProgressLine() if self.progress is True else self.progress or None
        report = PairReporter(listener, PairPlan(epochs=self.epochs), n)
        self.history_ = []
        edges = np.append(np.arange(0, n, min(_PIECE, -(-n // n_threads))), n)
        for epoch in range(self.epochs):
            order = generator.permutation(n)
            rates = self.learning_rate * (1 - (epoch + edges / n) / self.epochs)
            calls = [
                (*flat, order[edges[i] : edges[i + 1]], longest, rates[i], rates[i + 1])
                for i in range(len(edges) - 1)
            ]
            loss = sum(run_in_threads(cpu.classify, calls, n_threads)) / n
            self.history_.append(report.end_epoch(loss, float(rates[-1])))
        return inputs[:, :dim], outputs[:, :dim]

    def _keep(self, lines: Lines, inputs: Floats, outputs: Floats, label_counts: NDArray[np.int64]) -> None:
        """Keep what was learned in the form that fastText's models are read into."""
        arguments = {
            "dim": self.embedding_dim, "ws": 5, "epoch": self.epochs, "min_count": self.min_count, "neg": 5,
            "word_ngrams": self.word_ngrams, "loss": "softmax", "model": "supervised", "bucket": self.bucket,
            "min_n": self.min_n, "max_n": self.max_n,
        }  # fmt: skip
        self._model = formats.FastTextModel(
            arguments,
            lines.words,
            [f"{LABEL_PREFIX}{label}" for label in self.classes_.tolist()],
            lines.counts,
            label_counts.astype(np.int64),
            inputs.copy(),
            outputs.copy(),
            np.stack([lines.kept, np.arange(len(lines.kept))]),
        )
        self._lines = formats.FastTextLines(self._model)
