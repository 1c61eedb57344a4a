"""A corpus: keys in order of their counts, and the text as their rows. Read once, whatever it comes from."""

import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentTypeError, DataError
from plectrum.kernels.tokens import cpu
from plectrum.text._scan import ByteScanner, ListScanner
from plectrum.text._sources import is_frame, read_column_pieces, read_pieces
from plectrum.text._tokens import Tokens, TokenStore, pieces_of

Source = str | os.PathLike[str] | Iterable[Iterable[Hashable]]
_SENTENCES_AT_ONCE = 4096
DEFAULT_MEMORY = 1 << 30


@dataclass(frozen=True)
class Corpus:
    """What was read.

    Attributes
    ----------
    keys : list
        The keys that are kept, in the order of their rows.
    counts : int64 (n_keys,)
        How often each was seen.
    tokens : int32 (n,)
        The text as rows, with -1 at the end of each sentence; keys that were left out are skipped.
    n_words : int
        All words of the text, also those that were left out.
    n_distinct : int
        All distinct words of the text.
    """

    keys: list[Any]
    counts: NDArray[np.int64]
    tokens: Tokens
    n_words: int
    n_distinct: int


def read_corpus(
    source: Source,
    *,
    column: str | None = None,
    min_count: int = 5,
    max_size: int | None = None,
    known: Sequence[Any] = (),
    memory: int = DEFAULT_MEMORY,
) -> Corpus:
    """Read a text once, number its words, and keep those seen often enough.

    Parameters
    ----------
    source : path, or iterable of sentences
        A file (also gz, bz2, xz, zst): words between white space, one sentence a line, or one endless line. A
        Parquet or CSV file: a sentence in each row of `column`. Or any iterable of lists of keys, which is
        gone through once, so that a generator will do.
    column : str, optional
        Of a Parquet or CSV file; may be left out where there is only one.
    min_count, max_size : int
        Keep what was seen at least so often, and of that at most so many.
    known : sequence of keys
        Keys that have rows already, 0 to len(known) - 1; they are kept whatever their counts.
    memory : int
        Bytes of tokens to hold in memory (4 per word); a longer text is kept in a temporary file.

    Raises
    ------
    DataError
        The text is empty, or no word is seen often enough.

    Notes
    -----
    Cost: one pass over the bytes and one over the tokens; memory for the distinct words, and for the tokens
    up to `memory`.

    Examples
    --------
    >>> corpus = read_corpus([["a", "b", "a"], ["b", "c", "b"]], min_count=2)
    >>> corpus.keys, corpus.counts.tolist(), corpus.tokens.tolist(), corpus.n_words
    (['b', 'a'], [3, 2], [1, 0, 1, -1, 0, 0], 6)
    """
    store = TokenStore(memory)
    scanner: ByteScanner | ListScanner
    if isinstance(source, str | os.PathLike):
        scanner = ByteScanner()
        pieces = read_column_pieces(source, column) if is_frame(source) else read_pieces(source)
        for piece in pieces:
            store.append(scanner.scan(piece))
    else:
        scanner = ListScanner()
        for sentences in _batches(source):
            store.append(scanner.scan(sentences))
    return _keep_frequent(
        scanner.keys(), scanner.counts, store.finish(), min_count=min_count, max_size=max_size, known=known
    )


def _batches(source: Any) -> Iterator[list[Iterable[Hashable]]]:
    try:
        sentences = iter(source)
    except TypeError:
        raise ArgumentTypeError(
            "The text of `fit` must be the path of a file or an iterable of lists of words; got "
            f"{type(source).__name__}. Pass a path, or [line.split() for line in lines]."
        ) from None
    while batch := list(islice(sentences, _SENTENCES_AT_ONCE)):
        yield batch


def _keep_frequent(
    keys: list[Any],
    counts: NDArray[np.int64],
    tokens: Tokens,
    *,
    min_count: int,
    max_size: int | None,
    known: Sequence[Any],
) -> Corpus:
    rows = np.full(len(keys), -1, np.int32)
    if known:
        row_of = {key: row for row, key in enumerate(known)}
        rows[:] = [row_of.get(key, -1) for key in keys]
    fresh = np.flatnonzero((rows < 0) & (counts >= min_count))
    fresh = fresh[np.argsort(-counts[fresh], kind="stable")]
    fresh = fresh[: None if max_size is None else max(0, max_size - len(known))]
    if len(fresh) == 0 and not np.any(rows >= 0):
        most = (
            f"the most frequent of {len(keys):,} is seen {counts.max():,} times"
            if len(keys)
            else "it is empty"
        )
        raise DataError(
            f"The text of `fit` must hold words that are seen at least {min_count} times (min_count); "
            f"{most}. Pass more text, or lower min_count."
        )
    rows[fresh] = np.arange(len(known), len(known) + len(fresh), dtype=np.int32)
    kept_counts = np.zeros(len(known) + len(fresh), np.int64)
    kept_counts[rows[rows >= 0]] = counts[rows >= 0]
    n = 0
    for piece in pieces_of(tokens):
        n += cpu.renumber(piece, rows, tokens[n : n + len(piece)], n == 0 or tokens[n - 1] < 0)
    return Corpus(
        keys=[*known, *(keys[i] for i in fresh.tolist())],
        counts=kept_counts,
        tokens=tokens[: n - 1] if n and tokens[n - 1] < 0 else tokens[:n],
        n_words=int(counts.sum()),
        n_distinct=len(keys),
    )
