"""What Word2Vec and FastText share: reading, growing, training, saving."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from plectrum import formats
from plectrum.errors import ArgumentError, DataError, check_choice
from plectrum.text._checks import check_number
from plectrum.text._corpus import Corpus, Source, read_corpus
from plectrum.training._pair_plan import PairEpoch, PairListener, PairPlan
from plectrum.training._pair_report import ProgressLine
from plectrum.training._pair_tables import PairTables, aligned_zeros, grown, random_rows
from plectrum.training._pairs import train_pairs
from plectrum.vectors import ShowsVectors, Vectors, load
from plectrum.vocabulary import Vocabulary

# Negatives that a block shares: more of them mean less noise and more work. CBOW's go with the row of the
# centre in groups of eight.
_SHARED = {"skip-gram": 32, "cbow": 23}
_SHARED_PER_NEGATIVE, _SHARED_STEP = 6, 16


class PairEstimator(ShowsVectors, BaseEstimator):
    """The parameters and the life of an estimator that learns from a text by pairs."""

    _learning_rates: ClassVar[dict[str, float]] = {"skip-gram": 0.025, "cbow": 0.05}

    embedding_dim: int
    window: int
    negative: int
    epochs: int
    min_count: int
    sample: float
    architecture: Literal["skip-gram", "cbow"]
    hierarchical_softmax: bool
    learning_rate: float | None
    min_learning_rate: float
    ns_exponent: float
    shrink_windows: bool
    max_vocabulary: int | None
    initial_vectors: Vectors | str | os.PathLike[str] | None
    freeze_initial: bool
    deterministic: bool
    n_jobs: int | None
    random_state: Any
    progress: bool | PairListener

    vectors_: Vectors
    vocabulary_: Vocabulary
    history_: list[PairEpoch]
    n_words_: int
    n_distinct_: int

    # ---- scikit-learn's

    def fit(self, text: Source, y: object = None, *, column: str | None = None) -> Self:  # noqa: ARG002
        """Learn the vectors of the words of a text.

        Parameters
        ----------
        text : path, or iterable of lists of words
            A file of words between white space, one sentence a line or one endless line, plain or compressed
            (gz, bz2, xz, zst); a Parquet or CSV file with a sentence in each row of `column`; or lists of
            words (or of any other keys), gone through once. This is not scikit-learn's ``X``.
        y : ignored
        column : str, optional
            Of a Parquet or CSV file.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError
            A parameter is out of its range.
        DataError
            The text is empty or damaged, or no word is seen `min_count` times.
        """
        plan = self._plan()
        corpus = read_corpus(text, column=column, min_count=self.min_count, max_size=self.max_vocabulary)
        generator = self._generator()
        self._keys, self._counts = corpus.keys, corpus.counts
        self._tables = self._begin(generator, plan)
        self._take_initial_vectors()
        self.history_, self.n_words_, self.n_distinct_ = [], 0, corpus.n_distinct
        return self._train(corpus, plan, generator)

    def partial_fit(self, text: Source, y: object = None, *, column: str | None = None) -> Self:  # noqa: ARG002
        """Go on with more text: `epochs` passes over it, the learning rate from its start to its end again.

        Words seen `min_count` times in the new text join the vocabulary after the old ones, which keep their
        rows. The vectors of old words move too: only vectors of one moment can be compared. Without an
        earlier `fit` this is `fit`.

        Parameters
        ----------
        text, column
            As for `fit`.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError
            There are new words, and hierarchical softmax, whose tree cannot grow.
        """
        if not hasattr(self, "_tables"):
            return self.fit(text, column=column)
        plan = self._plan()
        corpus = read_corpus(
            text, column=column, min_count=self.min_count, max_size=self.max_vocabulary, known=self._keys
        )
        generator = self._generator()
        if len(corpus.keys) > len(self._keys):
            if plan.hierarchical_softmax:
                raise ArgumentError(
                    f"`text` of `partial_fit` must hold no new words when hierarchical_softmax=True; got "
                    f"{len(corpus.keys) - len(self._keys):,} of them. Use negative sampling, or `fit` anew."
                )
            self._grow(corpus, generator)
        counts = corpus.counts.copy()
        counts[: len(self._counts)] += self._counts
        self._keys, self._counts = corpus.keys, counts
        return self._train(corpus, plan, generator)

    # ---- files

    def save_model(self, folder: str | os.PathLike[str]) -> None:
        """Write all that training can go on from: ``weights.safetensors`` and ``model.json``, no pickle."""
        from safetensors.numpy import save_file

        check_is_fitted(self, "vectors_")
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        dim = self._tables.embedding_dim
        weights = {
            name: np.ascontiguousarray(getattr(self._tables, name)[:, :dim])
            for name in ("inputs", "outputs", "nodes")
        }
        arrays: dict[str, np.ndarray] = {"bag_starts": self._tables.bag_starts, "bags": self._tables.bags,
                  "tree_counts": self._tables.tree_counts, "frozen": self._tables.frozen}  # fmt: skip
        save_file({**weights, **arrays, "counts": self._counts}, place / "weights.safetensors")
        about = {
            "estimator": type(self).__name__,
            "parameters": self._plain_parameters(),
            "embedding_dim": dim,
            "n_words": self.n_words_,
            "n_distinct": self.n_distinct_,
            "history": [asdict(epoch) for epoch in self.history_],
            "keys": formats.keys_to_json(self._keys),
        }
        (place / "model.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load_model(cls, folder: str | os.PathLike[str]) -> Self:
        """Return the fitted estimator that `save_model` wrote; it can be trained on."""
        from safetensors.numpy import load_file

        place = Path(folder)
        about = json.loads((place / "model.json").read_text(encoding="utf-8"))
        if about["estimator"] != cls.__name__:
            raise ArgumentError(
                f"`folder` of `{cls.__name__}.load_model` must hold a {cls.__name__}; {os.fspath(folder)!r} "
                f"holds a {about['estimator']}. Use plectrum.{about['estimator']}.load_model."
            )
        made = cls(**about["parameters"])
        arrays = load_file(place / "weights.safetensors")
        dim = about["embedding_dim"]
        inputs, outputs, nodes = (_padded(arrays[name], dim) for name in ("inputs", "outputs", "nodes"))
        made._tables = PairTables(
            dim, inputs, outputs, nodes, arrays["bag_starts"], arrays["bags"], arrays["tree_counts"],
            arrays["frozen"],
        )  # fmt: skip
        made._keys, made._counts = list(formats.keys_from_json(about["keys"])), arrays["counts"]
        made.n_words_, made.n_distinct_ = about["n_words"], about["n_distinct"]
        made.history_ = [PairEpoch(**epoch) for epoch in about["history"]]
        made._show()
        return made

    # ---- what is learned

    @property
    def context_vectors_(self) -> Vectors:
        """The other table: the vectors by which contexts are predicted (negative sampling only)."""
        check_is_fitted(self, "vectors_")
        table = self._tables.outputs[:, : self._tables.embedding_dim]
        return Vectors(self._keys, table.copy(), self._counts)

    # ---- inside

    def _begin(self, generator: np.random.Generator, plan: PairPlan) -> PairTables:
        return self._begin_tables(generator, plan)

    def _begin_tables(
        self, generator: np.random.Generator, plan: PairPlan, *, n_input_rows: int | None = None
    ) -> PairTables:
        tables = PairTables.begin(
            len(self._keys),
            self.embedding_dim,
            generator,
            n_input_rows=n_input_rows,
            uses_nodes=plan.hierarchical_softmax,
        )
        if plan.hierarchical_softmax:
            if len(self._keys) < 2:
                raise DataError(
                    f"The text of `fit` must hold two words or more for hierarchical softmax; got "
                    f"{self._keys!r}. Lower min_count, or use negative sampling."
                )
            tables.tree_counts = self._counts.copy()
        return tables

    def _grow(self, corpus: Corpus, generator: np.random.Generator) -> None:
        self._grow_inputs(corpus, generator)
        tables = self._tables
        tables.outputs = grown(tables.outputs, len(corpus.keys), tables.embedding_dim)

    def _grow_inputs(self, corpus: Corpus, generator: np.random.Generator) -> None:
        tables, n_old = self._tables, len(self._keys)
        tables.inputs = grown(tables.inputs, len(corpus.keys), tables.embedding_dim)
        random_rows(tables.inputs, tables.embedding_dim, n_old, generator)
        if len(tables.frozen) > 1:
            tables.frozen = np.concatenate([tables.frozen, np.zeros(len(corpus.keys) - n_old, np.uint8)])

    def _take_initial_vectors(self) -> None:
        if self.initial_vectors is None:
            return
        given = self.initial_vectors
        if not isinstance(given, Vectors):
            given = load(given)
        dim = self._tables.embedding_dim
        if given.embedding_dim != dim:
            raise ArgumentError(
                f"`initial_vectors` of `{type(self).__name__}` must have embedding_dim={dim}; got "
                f"{given.embedding_dim}. Pass embedding_dim={given.embedding_dim}."
            )
        rows = [row for row, key in enumerate(self._keys) if key in given]
        for row in rows:
            self._tables.inputs[row, :dim] = given[self._keys[row]]
        self.n_initial_ = len(rows)
        if self.freeze_initial:
            frozen = np.zeros(max(len(self._tables.inputs), 2), np.uint8)
            frozen[rows] = 1
            self._tables.frozen = frozen

    def _train(self, corpus: Corpus, plan: PairPlan, generator: np.random.Generator) -> Self:
        listener = self.progress if callable(self.progress) else None
        if self.progress is True:
            listener = ProgressLine()
        self.history_ = self.history_ + train_pairs(
            self._tables,
            corpus.tokens,
            self._counts,
            plan,
            n_words=corpus.n_words,
            n_jobs=cast(int, self.n_jobs),
            deterministic=self.deterministic,
            seed=int(generator.integers(1 << 62)),
            listener=listener,
        )
        self.n_words_ += corpus.n_words
        self._show()
        return self

    def _show(self) -> None:
        """Make the public attributes from the tables."""
        self.vectors_ = self._make_vectors()
        self.vocabulary_ = self.vectors_.vocabulary

    def _make_vectors(self) -> Vectors:
        table = self._tables.inputs[:, : self._tables.embedding_dim]
        return Vectors(self._keys, table.copy(), self._counts)

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(check_random_state(self.random_state).randint(1 << 31))

    def _plain_parameters(self) -> dict[str, Any]:
        dropped: dict[str, Any] = {"initial_vectors": None, "progress": False}
        parameters = {**self.get_params(deep=False), **dropped}
        if not isinstance(parameters["random_state"], int):
            parameters["random_state"] = None
        return parameters

    def _plan(self) -> PairPlan:
        owner = type(self).__name__
        check_choice(self.architecture, ("skip-gram", "cbow"), argument="architecture", owner=owner)
        for name in ("embedding_dim", "window", "min_count"):
            check_number(owner, name, getattr(self, name), 1, whole=True)
        for name in ("negative", "epochs"):
            check_number(owner, name, getattr(self, name), 0, whole=True)
        check_number(owner, "sample", self.sample, 0)
        if self.negative == 0 and not self.hierarchical_softmax:
            raise ArgumentError(
                f"`negative` of `{owner}` must be at least 1 unless hierarchical_softmax=True; got 0, which "
                "would train nothing. Pass negative=5."
            )
        rate = self._learning_rates[self.architecture] if self.learning_rate is None else self.learning_rate
        check_number(owner, "learning_rate", rate, 0)
        shared = _SHARED[self.architecture]
        if self.negative > 5:
            shared = -(-_SHARED_PER_NEGATIVE * self.negative // _SHARED_STEP) * _SHARED_STEP
        return PairPlan(
            architecture=self.architecture,
            window=self.window,
            shrink_windows=self.shrink_windows,
            negative=self.negative,
            ns_exponent=self.ns_exponent,
            hierarchical_softmax=self.hierarchical_softmax,
            sample=self.sample,
            epochs=self.epochs,
            learning_rate=rate,
            min_learning_rate=min(self.min_learning_rate, rate),
            n_shared=shared,
        )


def _padded(table: np.ndarray, dim: int) -> np.ndarray:
    padded = aligned_zeros(len(table), dim)
    padded[:, :dim] = table
    return padded
