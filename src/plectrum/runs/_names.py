"""Columns of any name as names of files."""

import hashlib
from urllib.parse import quote

_LONGEST = 120  # bytes; file systems take 255, and a suffix has to fit


def file_name(column: str, suffix: str) -> str:
    """Return a name for the file of `column` that every file system takes.

    Letters, digits and ``_-. `` stay; all else is percent-encoded as UTF-8, and so is a leading dot. A name
    that grows too long is cut and ends in a hash, so that two long columns stay apart. The record maps
    columns to files: nobody has to undo this.

    Examples
    --------
    >>> file_name("dest", ".parquet"), file_name("a/b", ".parquet"), file_name("..", ".parquet")
    ('dest.parquet', 'a%2Fb.parquet', '%2E%2E.parquet')
    """
    safe = quote(column, safe=" ", encoding="utf-8", errors="surrogatepass")
    safe = safe.replace("~", "%7E")  # kept for telling equal names apart
    if safe.startswith("."):
        safe = "%2E" + safe[1:]
    if safe.endswith((".", " ")):  # Windows drops them
        safe = safe[:-1] + f"%{ord(safe[-1]):02X}"
    if not safe:
        safe = "%00"
    if len(safe) > _LONGEST:
        safe = (
            safe[: _LONGEST - 17]
            + "~"
            + hashlib.sha256(column.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        )
    return safe + suffix
