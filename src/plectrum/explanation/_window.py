"""`explain` for words: choose a window of a sentence, take one step on it, and keep what happened."""

import os
from collections.abc import Sequence
from typing import Any

import torch

from plectrum.errors import ArgumentError, UnknownKeyError
from plectrum.explanation._optimizers import check_named_choices, make_optimizer
from plectrum.explanation._record import Example, Explanation
from plectrum.explanation._sentences import read_sentences
from plectrum.explanation._step import take_step
from plectrum.explanation._words import (
    CENTRE,
    COMPANY,
    SkipGram,
    WindowTrial,
    pairs_of_window,
    skip_gram_of,
    warm_up,
)
from plectrum.vocabulary import Vocabulary

RESERVED = ("(padding)", "(unknown)", "(missing)")
_AROUND = 6  # words of a sentence that are kept on either side of the centre
_WARM_UP_STEPS = 4
_LATE = 0.25  # of the first learning rate: word2vec's own for sgd
Sentences = Sequence[Sequence[str]]


def explain_window(
    sentences: Sentences | str | os.PathLike[str],
    *,
    word: str | None = None,
    embedding_dim: int = 4,
    window: int = 2,
    negative: int = 1,
    optimizer: str = "sgd",
    learning_rate: float | None = None,
    random_state: int = 0,
    estimator: Any = None,
) -> Explanation:
    """Return one training step on one window of one sentence: how words learn from the company they keep.

    Parameters
    ----------
    sentences : sequence of sequences of str, or path
        The text (of a file its beginning); all its words make the vocabulary.
    word : str, optional
        The centre of the window, at its first place; by default the middle of the first sentence of 3 words
        or more.
    embedding_dim, window, negative : int
        Numbers a word has; neighbours taken on each side; words drawn at random for each neighbour.
    optimizer, learning_rate
        As for :func:`explain`; the learning rate of trained tables is a quarter of the first one.
    random_state : int
        Seed of the random start and of the words drawn.
    estimator : Word2Vec, optional
        Fitted, a skip-gram with negative sampling: the step starts from its two tables, after a few steps
        on other windows. Words that it does not know are passed over, as in training.

    Raises
    ------
    ArgumentError, UnknownKeyError
        When the text has no sentence of two words, or does not have `word`; when `estimator` is of another
        kind.

    Examples
    --------
    >>> text = [["the", "king", "rules", "the", "land"], ["a", "ship", "at", "sea"]]
    >>> told = explain_window(text, word="king")
    >>> told.table.rows[0].key, told.loss_after < told.loss_before
    ('king', True)
    """
    check_named_choices(optimizer=optimizer, step="first")
    if isinstance(sentences, str | os.PathLike):
        sentences = read_sentences(sentences)
    trained = estimator is not None
    if trained:
        _check_estimator(estimator)
        vocabulary, model = estimator.vocabulary_, skip_gram_of(estimator)
        sentences = _known(sentences, vocabulary)
    else:
        vocabulary = Vocabulary.learn([token for sentence in sentences for token in sentence])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_state)
            model = SkipGram(vocabulary.n_rows, embedding_dim)
    at, position = _find_window(sentences, word, vocabulary, owner="The model" if trained else "The text")
    sentence, position = _around(sentences[at], position)

    def trial_of(words: Sequence[str], place: int, seed: int) -> WindowTrial:
        rows = vocabulary.encode(list(words)).tolist()
        pairs = pairs_of_window(
            rows,
            place,
            window=window,
            negative=negative,
            n_words=vocabulary.n_rows,
            seed=seed,
            first_row=len(RESERVED),
        )
        return WindowTrial(model, *pairs)

    chosen, settings = make_optimizer(optimizer, model, learning_rate, share=_LATE if trained else 1.0)
    others = [s for i, s in enumerate(sentences) if trained and i != at and len(s) > 1][:_WARM_UP_STEPS]
    warm_up((trial_of(*_around(s, len(s) // 2), seed=i + 1) for i, s in enumerate(others)), chosen)
    trial = trial_of(sentence, position, random_state)
    keys = [*RESERVED, *map(str, vocabulary.keys)]
    examples = _examples(trial, keys)
    tables, nudge, before, after = take_step(trial, chosen, CENTRE, {CENTRE: keys, COMPANY: keys})
    return Explanation(
        kind="words",
        subject=f"skip-gram on the words: {' '.join(sentence)}",
        target="seen beside it, or drawn at random",
        loss_name="-log of the probability given to what is true, summed over the pairs",
        step="trained" if trained else "first",
        optimizer=optimizer,
        settings=settings,
        warm_up=len(others),
        focus=CENTRE,
        examples=examples,
        tables=tables,
        nudge=nudge,
        loss_before=before,
        loss_after=after,
        notes=_notes(estimator, window, negative) if trained else [],
    )


def _examples(trial: WindowTrial, keys: Sequence[str]) -> list[Example]:
    """Return the pairs of the window in words, with what the model says before the step."""
    scores, losses = trial.scores().detach(), trial.losses().detach()
    return [
        Example(
            cells={"centre": keys[centre], "other": keys[other]},
            rows={CENTRE: int(centre), COMPANY: int(other)},
            numbers={},
            target="seen beside it" if seen else "drawn at random",
            prediction=f"{torch.sigmoid(score):.3f}",
            loss=float(loss),
        )
        for centre, other, seen, score, loss in zip(
            trial.centres, trial.others, trial.really_seen, scores, losses, strict=True
        )
    ]


def _notes(estimator: Any, window: int, negative: int) -> list[str]:
    if (window, negative) == (estimator.window, estimator.negative):
        return []
    return [
        f"To keep it short, {window} neighbours on each side and {negative} word drawn for each; the "
        f"training took up to {estimator.window} and {estimator.negative}."
    ]


def _check_estimator(estimator: Any) -> None:
    """Refuse what is no skip-gram with negative sampling over one row per word, or is not fitted."""
    kind = type(estimator).__name__
    if kind != "Word2Vec" or estimator.architecture != "skip-gram" or not estimator.negative:
        how = getattr(estimator, "architecture", None)
        raise ArgumentError(
            "`estimator` of `explain` must be a Word2Vec that learns by skip-gram and negative sampling; got "
            f"{kind}{'' if how is None else f', {how}, negative={estimator.negative}'}. Use step='first', "
            "which needs no trained tables."
        )
    if not hasattr(estimator, "vectors_"):
        raise ArgumentError(
            "`estimator` of `explain` must be fitted for step='trained'; got an unfitted Word2Vec. Call fit "
            "first, or use step='first'."
        )


def _known(sentences: Sentences, vocabulary: Vocabulary) -> Sentences:
    return [[word for word in sentence if word in vocabulary] for sentence in sentences]


def _around(sentence: Sequence[str], position: int) -> tuple[Sequence[str], int]:
    """Return the words near a place of a sentence, and the place among them."""
    start = max(0, position - _AROUND)
    return sentence[start : position + _AROUND + 1], position - start


def _find_window(
    sentences: Sentences, word: str | None, vocabulary: Vocabulary, *, owner: str
) -> tuple[int, int]:
    """Return the number of a sentence, and the place of the centre in it."""
    if word is not None and word not in vocabulary:
        raise UnknownKeyError(word, nearest=vocabulary.nearest_keys(word), owner=owner)
    for at, sentence in enumerate(sentences):
        if word is not None and word in sentence and len(sentence) > 1:
            return at, list(sentence).index(word)
        if word is None and len(sentence) > 2:
            return at, min(len(sentence), 2 * _AROUND) // 2
    raise ArgumentError(
        "`sentences` of `explain_window` must have a sentence of at least 2 words"
        f"{'' if word is None else f' with {word!r} in it'}; got {len(sentences):,} sentences. Pass more "
        "text."
    )
