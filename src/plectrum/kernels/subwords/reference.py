"""The definition: fastText's n-grams and their hash (dictionary.cc, functions computeSubwords and hash)."""


def hash_bytes(text: bytes) -> int:
    """Return fastText's 32-bit hash: FNV-1a whose bytes are taken as signed, as the C++ of x86 took them.

    Examples
    --------
    >>> hash_bytes(b"abc"), hash_bytes("é".encode())
    (440920331, 1023043777)
    """
    value = 2166136261
    for byte in text:
        signed = byte - 256 if byte > 127 else byte
        value = ((value ^ (signed & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    return value


def ngrams(word: bytes, min_n: int, max_n: int) -> list[bytes]:
    """Return the n-grams of a word with its borders, ``<word>``, of `min_n` to `max_n` characters.

    A character is a byte and the continuation bytes behind it. The border signs alone are no n-grams.

    Examples
    --------
    >>> ngrams(b"ab", 3, 6)
    [b'<ab', b'<ab>', b'ab>']
    """
    text = b"<" + word + b">"
    starts = [i for i, byte in enumerate(text) if byte & 0xC0 != 0x80]
    borders = [*starts, len(text)]
    found = []
    for first, start in enumerate(starts):
        for n in range(1, min(max_n, len(starts) - first) + 1):
            end = borders[first + n]
            if n >= min_n and not (n == 1 and (start == 0 or end == len(text))):
                found.append(text[start:end])
    return found
