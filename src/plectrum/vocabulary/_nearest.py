"""Keys that are spelled like a key that is not there: the answer to a typing error."""

from collections import Counter
from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from heapq import nlargest

# The first keys are the most frequent ones; looking at more would make an error message take seconds.
_MOST_KEYS = 200_000
_MOST_CANDIDATES = 40
_ALIKE = 0.6  # difflib's own bound for "close"


def nearest_keys(key: Hashable, keys: Sequence[Hashable], k: int) -> list[Hashable]:
    """Up to k of the keys, most alike in spelling first; empty when none is alike.

    Case, surrounding blanks and type count for little: 'jfk ' finds 'JFK', and 1 finds '1'.
    """
    wanted = _spelling(key)
    pairs = Counter(_pairs(wanted))
    candidates = nlargest(
        _MOST_CANDIDATES,
        (
            (_overlap(pairs, wanted, spelled), -n)
            for n, spelled in enumerate(map(_spelling, keys[:_MOST_KEYS]))
            if abs(len(spelled) - len(wanted)) <= max(2, len(wanted) // 2)
        ),
    )
    scored = []
    for _, n in candidates:
        spelled = _spelling(keys[-n])
        score = SequenceMatcher(None, wanted, spelled).ratio()
        if score >= _ALIKE:
            scored.append((-score, -n))
    return [keys[n] for _, n in sorted(scored)[:k]]


def _spelling(key: Hashable) -> str:
    return str(key).strip().casefold()


def _pairs(text: str) -> list[str]:
    return [text[n : n + 2] for n in range(-1, len(text))]


def _overlap(pairs: Counter[str], wanted: str, spelled: str) -> float:
    """Share of neighbouring letters in common: cheap, and enough to choose whom to compare in full."""
    if spelled == wanted:
        return 2.0
    shared = sum(min(pairs[pair], 1) for pair in set(_pairs(spelled)))
    return shared / (len(wanted) + len(spelled) + 1)
