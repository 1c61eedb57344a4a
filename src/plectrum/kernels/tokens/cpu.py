"""Words of a text as numbers: one pass over the bytes, a hash table of its own, no Python object per word."""

import numpy as np

from plectrum.kernels.native._cpu_compile import compiled

_PRIME, _START = np.uint64(1099511628211), np.uint64(14695981039346656037)  # FNV-1a, 64 bits
_FOLD = np.uint64(32)
_SPACE, _NEWLINE, _TAB, _RETURN = 32, 10, 9, 13
NEEDS_WORDS, NEEDS_BYTES, DONE = 0, 1, 2


@compiled()
def scan_words(text, at, stop, table, hashes, starts, counts, arena, n_words, tokens):
    """Number the words of ``text[at:stop]``, which ends at the end of a word.

    Parameters
    ----------
    text : uint8
    at, stop : int
    table : int32 (a power of 2,)
        Open addressing: the number of a word, or -1. Written.
    hashes, counts : uint64, int64 (capacity,)
        Of each word. Written.
    starts : int64 (capacity + 1,)
        Word w is ``arena[starts[w]:starts[w + 1]]``. Written.
    arena : uint8
        The bytes of the words, one after the other. Written.
    n_words : int
        Words so far.
    tokens : int32 (stop - at + 1,) or longer
        Written: the number of each word; -1 at the end of each line that has words, unless one stands there.

    Returns
    -------
    reason, at, n_words, n_tokens : int
        Where it stopped and why: NEEDS_WORDS when table, hashes, starts or counts are full, NEEDS_BYTES when
        the arena is, DONE at the end.
    """
    mask = np.uint64(table.shape[0] - 1)
    capacity = min(hashes.shape[0], table.shape[0] // 2)
    n_tokens = 0
    while at < stop:
        byte = text[at]
        if byte == _SPACE or (_TAB <= byte <= _RETURN):
            if byte == _NEWLINE:
                tokens[n_tokens] = -1
                n_tokens += 1
            at += 1
            continue
        start, value = at, _START
        while at < stop:
            byte = text[at]
            if byte == _SPACE or (_TAB <= byte <= _RETURN):
                break
            value = (value ^ np.uint64(byte)) * _PRIME
            at += 1
        length = at - start
        slot = (value ^ (value >> _FOLD)) & mask
        word = table[slot]
        while word >= 0:
            first = starts[word]
            if hashes[word] == value and starts[word + 1] - first == length:
                k = 0
                while k < length and arena[first + k] == text[start + k]:
                    k += 1
                if k == length:
                    break
            slot = (slot + np.uint64(1)) & mask
            word = table[slot]
        if word < 0:
            if n_words >= capacity:
                return NEEDS_WORDS, start, n_words, n_tokens
            first = starts[n_words]
            if first + length > arena.shape[0]:
                return NEEDS_BYTES, start, n_words, n_tokens
            for k in range(length):
                arena[first + k] = text[start + k]
            word = n_words
            table[slot], hashes[word], counts[word] = word, value, 0
            n_words += 1
            starts[n_words] = first + length
        counts[word] += 1
        tokens[n_tokens] = word
        n_tokens += 1
    return DONE, at, n_words, n_tokens


@compiled()
def build_table(table, hashes, n_words):
    """Enter the first `n_words` hashes into an empty table (all -1)."""
    mask = np.uint64(table.shape[0] - 1)
    for word in range(n_words):
        slot = (hashes[word] ^ (hashes[word] >> _FOLD)) & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = word


@compiled()
def renumber(tokens, rows, out, follows_end):
    """Replace numbers of words by rows, leave out words whose row is -1, and keep one -1 per end of sentence.

    Parameters
    ----------
    tokens : int32 (n,)
    rows : int32 (n_words,)
    out : int32 (n,)
        Written; may be `tokens` itself.
    follows_end : bool
        Whether what stands before ``out[0]`` is an end of sentence (or nothing).

    Returns
    -------
    n : int
        How many entries of `out` were written.
    """
    n = 0
    for i in range(tokens.shape[0]):
        token = tokens[i]
        if token < 0:
            if not follows_end:
                out[n] = -1
                n += 1
            follows_end = True
        elif rows[token] >= 0:
            out[n] = rows[token]
            n += 1
            follows_end = False
    return n
