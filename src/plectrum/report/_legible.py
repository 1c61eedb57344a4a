"""Text from outside (keys, names, commands) made safe and readable on a page."""

import html
import math
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

LONGEST_LABEL = 80  # characters of a key that a page shows

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
    """Return how a page shows one key: text as itself, all else as Python would write it, dates as ISO."""
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


def escape(text: Any, *, longest: int | None = None) -> str:
    """Return `text` legible and escaped, for the content of an element or a quoted attribute."""
    return html.escape(legible(str(text), longest=longest) if str(text) else "", quote=True)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with about `digits` significant digits, thousands set apart; a dash for None and NaN.

    Examples
    --------
    >>> number(12.34567), number(4112), number(1234567.8), number(None), number(0.00001234)
    ('12.35', '4,112', '1,234,568', '–', '1.23e-05')
    """
    if value is None or math.isnan(value):
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}".replace("-", "−")
    size = abs(value)
    if size < 1e-4:
        return f"{value:.{digits - 1}g}".replace("-", "−", 1 if value < 0 else 0)
    before = math.floor(math.log10(size)) + 1  # digits before the point; below 0.1 not positive
    after = max(digits - before, 0) if size >= 1 else digits - 1 - before
    return f"{value:,.{after}f}".replace("-", "−")


def seconds(value: float | None) -> str:
    """Return a duration as people say it.

    Examples
    --------
    >>> seconds(0.0123), seconds(4.2), seconds(75), seconds(7260)
    ('12 ms', '4.2 s', '1 min 15 s', '2 h 1 min')
    """
    if value is None or math.isnan(value):
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    if value < 3600:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} min"
