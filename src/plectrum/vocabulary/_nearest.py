"""Keys that are spelled like a key that is not there: the answer to a typing error."""

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
    letters = [*wanted, *(wanted[n : n + 2] for n in range(len(wanted) - 1))]
    longest_gap = max(2, len(wanted) // 2)

    def in_common(spelled: str) -> float:
        """Share of letters and pairs of letters in common: cheap, and enough to choose whom to compare."""
        return sum(map(spelled.__contains__, letters)) / (len(wanted) + len(spelled) + 1)

    candidates = nlargest(
        _MOST_CANDIDATES,
        (
            (in_common(spelled), -n)
            for n, spelled in enumerate(map(_spelling, keys[:_MOST_KEYS]))
            if abs(len(spelled) - len(wanted)) <= longest_gap
        ),
    )
    scored = []
    for _, n in candidates:
        score = SequenceMatcher(None, wanted, _spelling(keys[-n])).ratio()
        if score >= _ALIKE:
            scored.append((-score, -n))
    return [keys[n] for _, n in sorted(scored)[:k]]


def _spelling(key: Hashable) -> str:
    return str(key).strip().casefold()
