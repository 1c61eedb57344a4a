"""Keys as a reader sees them: one line of text in which nothing hides."""

import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

LONGEST_LABEL = 80  # characters of a key that is shown

_SIGNS = {"\n": "⏎", "\r": "␍", "\t": "⇥", "\x7f": "␡"}
# These turn the direction of what follows, or hide; U+200D and U+200C stay, scripts and emoji need them.
_HIDDEN = frozenset(
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


def legible(text: str, *, longest: int | None = LONGEST_LABEL) -> str:
    """Return `text` so that a reader sees what stands in it.

    Control characters become their pictures (NUL is ␀), characters that would hide or turn the direction of
    others become their code points, half surrogates U+FFFD. Text longer than `longest` is cut in the middle
    and says how long it was. What has space at an end, or is empty, stands in quotes. Not HTML: see `escape`.

    Examples
    --------
    >>> legible("a\\x00b"), legible(""), legible(" x")
    ('a␀b', '“”', '“ x”')
    >>> legible("ab" * 5000)[-23:]
    'bab (10,000 characters)'
    """
    n = len(text)
    if longest is not None and n > longest:
        head, tail = text[: longest * 2 // 3], text[-(longest // 6) :]
        return f"{_spelled(head)}…{_spelled(tail)} ({n:,} characters)"
    shown = _spelled(text)
    return f"“{shown}”" if shown != shown.strip() or not shown else shown


def _spelled(text: str) -> str:
    return text if text.isascii() and text.isprintable() else "".join(map(_sign, text))


def _sign(letter: str) -> str:
    if letter in _SIGNS:
        return _SIGNS[letter]
    code = ord(letter)
    if code < 32:
        return chr(0x2400 + code)
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if letter in _HIDDEN or unicodedata.category(letter) in {"Cc", "Zl", "Zp"}:
        return f"⟨U+{code:04X}⟩"
    return letter


def key_label(key: Any) -> str:
    """Return how one key is shown: text as itself, all else as Python would write it, dates as ISO."""
    if isinstance(key, str):
        return legible(key)
    if isinstance(key, datetime):
        return key.isoformat(sep=" ")
    if isinstance(key, date):
        return key.isoformat()
    return legible(repr(key))


def key_labels(keys: Sequence[Any]) -> list[str]:
    """Return one label per key, no two alike: keys that look the same get their type, or a number."""
    labels = [key_label(key) for key in keys]
    if len(set(labels)) == len(labels):
        return labels
    first: dict[str, Any] = {}
    taken = set(labels)
    for i, label in enumerate(labels):
        if label not in first:
            first[label] = keys[i]
            continue
        kind = type(keys[i]).__name__
        other = f"{label} ({kind})" if kind != type(first[label]).__name__ else f"{label} (2)"
        n = 2
        while other in taken:
            n += 1
            other = f"{label} ({n})"
        taken.add(other)
        labels[i] = other
    return labels
