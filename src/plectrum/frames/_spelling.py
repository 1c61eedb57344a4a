"""How dates are written in a column of text."""

import re
from typing import Any

import numpy as np

ISO = "ISO"

# Spellings beside ISO. The first two differ only in which number is the day; a column is read in one of them
# only when some number above 12 rules the other out.
_FORMATS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y %H:%M",
)
_LOOKS_LIKE_A_DATE = re.compile(r"\d[-/.T]\d")


def find_spelling(texts: list[str]) -> str | None:
    """The one spelling that reads all of the texts; None when none does, or two do."""
    if not _LOOKS_LIKE_A_DATE.search(texts[0]):
        return None
    fits = [spelling for spelling in (ISO, *_FORMATS) if parse_dates(texts, spelling) is not None]
    return fits[0] if len(fits) == 1 else None


def parse_dates(texts: list[str], spelling: str) -> np.ndarray | None:
    """Texts as datetime64[us] (n,); None when some text is not a date written so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.utf8_trim_whitespace(pa.array(texts, pa.string()))
    if spelling != ISO:
        try:
            parsed = pc.strptime(column, format=spelling, unit="us")
        except pa.ArrowInvalid:
            return None
        # Arrow reads 31.02.2013 as 3 March, and the year 13 as 13 after Christ: such dates are none.
        written = pc.strftime(parsed, format=spelling)
        return _microseconds(parsed) if _without_zeros(written).equals(_without_zeros(column)) else None
    for kind in (pa.date32(), pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ns", tz="UTC")):
        try:
            return _microseconds(column.cast(kind).cast(pa.timestamp("us"), safe=False))
        except pa.ArrowInvalid:
            continue
    return None


def _without_zeros(column: Any) -> Any:
    """1/2/2013 for 01/02/2013."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(column, pattern=r"\b0(\d)", replacement=r"\1")


def _microseconds(column: Any) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), "M8[us]")
