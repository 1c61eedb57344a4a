"""Keys that a format which divides by spaces and newlines cannot hold."""

from collections.abc import Iterable
from typing import Any

from plectrum.errors import ArgumentError


def refuse_keys(
    keys: Iterable[Any], title: str, *, forbidden: str = " \n", also: str = "", may_be_empty: bool = False
) -> None:
    """Raise an `ArgumentError` that names the first key which cannot be written, and how many there are."""
    bad = [
        (position, key)
        for position, key in enumerate(keys)
        if (not key and not may_be_empty)
        or any(sign in key for sign in forbidden)
        or key.endswith("\r")
        or not _is_utf8(key)
    ]
    if bad:
        position, key = bad[0]
        signs = " or ".join(repr(sign) for sign in forbidden)
        raise ArgumentError(
            f"`keys` written as {title} must be UTF-8 text that "
            f"{'' if may_be_empty else 'is not empty and '}holds no {signs}{also}, "
            "which "
            f"divide its records; got {key!r} at position {position:,}, {len(bad):,} such keys. Replace "
            "these "
            "signs first, or write .safetensors or .parquet, which hold any key."
        )


def _is_utf8(key: str) -> bool:
    try:
        key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
