"""Text from outside (keys, names, commands) made safe and readable on a page."""

import html
import math
from typing import Any

from plectrum.vectors import legible


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
