"""Texts with labels as rows: words, their character n-grams, and sequences of words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentTypeError, DataError
from plectrum.kernels.subwords import reference
from plectrum.text._ngrams import END_OF_SENTENCE, ngram_buckets

_WORD_NGRAM_FACTOR = np.uint64(116049371)
_SEPARATORS = re.compile(r"[ \r\t\v\f\0]+")  # fastText's
LABEL_PREFIX = "__label__"  # a token that begins so is a label to fastText


@dataclass(frozen=True)
class Lines:
    """Texts as rows of a table: first those of the words, then those of the hashed n-grams that are there.

    Attributes
    ----------
    words : list of str
        By falling counts; the end of a text is one of them.
    counts : int64 (n_words,)
    kept : int64 (n_kept,)
        The buckets that occur, rising; their rows follow the words'.
    starts, rows : int64 (n_texts + 1,), int32
    """

    words: list[str]
    counts: NDArray[np.int64]
    kept: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]


def as_texts(texts: Any, owner: str) -> list[str]:
    """Return a column of text as a list of strings."""
    if isinstance(texts, str | bytes):
        raise ArgumentTypeError(
            f"`texts` of `{owner}` must be a sequence of strings; got one string. Put it in a list."
        )
    found = texts.tolist() if hasattr(texts, "tolist") else list(texts)
    if hasattr(texts, "to_pylist"):
        found = texts.to_pylist()
    for position, text in enumerate(found):
        if not isinstance(text, str):
            raise ArgumentTypeError(
                f"`texts` of `{owner}` must be strings; got {text!r} of type {type(text).__name__} at "
                f"position {position:,}. Fill or drop missing texts."
            )
    return found


def rows_of_texts(
    texts: list[str], *, min_count: int, word_ngrams: int, min_n: int, max_n: int, bucket: int
) -> Lines:
    """Number the words of texts and hash their n-grams, as fastText's supervised mode does."""
    tokens = [_tokens(text) for text in texts]
    numbers: dict[str, int] = {}
    flat = np.array([numbers.setdefault(token, len(numbers)) for line in tokens for token in line], np.int64)
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    keys, counts = list(numbers), np.bincount(flat, minlength=len(numbers))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_count]
    if not len(order):
        raise DataError(
            f"`texts` must hold words that are seen at least {min_count} times (min_count). Pass more texts, "
            "or lower min_count."
        )
    row_of = np.full(len(keys), -1, np.int64)
    row_of[order] = np.arange(len(order))
    owners = np.repeat(np.arange(len(texts)), lengths)
    buckets, bucket_owners = [], []
    if max_n:
        found, of_token = _character_ngrams(keys, flat, min_n, max_n, bucket)
        buckets.append(found)
        bucket_owners.append(owners[of_token])
    for found, at in _word_ngrams(keys, flat, owners, word_ngrams, bucket):
        buckets.append(found)
        bucket_owners.append(owners[at])
    every = np.concatenate([np.zeros(0, np.int64), *buckets])
    kept = np.unique(every)
    known = row_of[flat] >= 0
    rows = np.concatenate([row_of[flat][known], np.searchsorted(kept, every) + len(order)])
    text_of = np.concatenate([owners[known], *bucket_owners])
    by_text = np.argsort(text_of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(text_of, minlength=len(texts)))])
    return Lines([keys[i] for i in order], counts[order], kept, starts, rows[by_text].astype(np.int32))


def one_line(text: str) -> str:
    """Return a text without line ends, which fastText's tokens stop at."""
    return text.replace("\n", " ")


def _tokens(text: str) -> list[str]:
    found = (token for token in _SEPARATORS.split(one_line(text)) if token)
    return [*(token for token in found if not token.startswith(LABEL_PREFIX)), END_OF_SENTENCE]


def _character_ngrams(
    keys: list[str], flat: NDArray[np.int64], min_n: int, max_n: int, bucket: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The buckets of the n-grams of every token, and the place of the token."""
    starts, buckets = ngram_buckets(keys, min_n, max_n, bucket)
    lengths = np.diff(starts)[flat]
    places = np.repeat(np.arange(len(flat)), lengths)
    within = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return buckets[starts[flat[places]] + within], places


def _word_ngrams(
    keys: list[str], flat: NDArray[np.int64], owners: NDArray[np.int64], longest: int, bucket: int
) -> Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The buckets of sequences of 2, 3, ... words, and the place of the first of them."""
    if longest < 2:
        return
    hashes = [reference.hash_bytes(key.encode("utf-8", "surrogateescape")) for key in keys]
    signed = np.array(hashes, np.uint32).astype(np.int32).astype(np.int64).astype(np.uint64)[flat]
    value = signed.copy()
    for n in range(2, longest + 1):
        value = value[:-1] * _WORD_NGRAM_FACTOR + signed[n - 1 :]
        same = owners[: len(value)] == owners[n - 1 :]
        yield (value[same] % np.uint64(bucket)).astype(np.int64), np.flatnonzero(same)
