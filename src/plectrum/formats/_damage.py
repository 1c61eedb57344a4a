"""One sentence shape for every damaged file: file, offset, what was expected, what stands there."""

import os

from plectrum.errors import FormatError

_ADVICE = "The file is damaged or was cut short: fetch or write it again."


def damaged(
    path: str | os.PathLike[str],
    offset: int | None,
    expected: str,
    got: object,
    *,
    unit: str = "byte",
    advice: str = _ADVICE,
) -> FormatError:
    """Return (not raise) the error for a file that does not hold what it must at this place."""
    place = "" if offset is None else f" at {unit} {offset:,}"
    return FormatError(
        f"{os.fspath(path)!r}{place}: expected {expected}; got {got}. {advice}",
        path=os.fspath(path),
        offset=offset,
        expected=expected,
    )
