"""A word from the command line as a key: keys have types, a command line has only text."""

import datetime as dt
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from plectrum.errors import ArgumentError, UnknownKeyError


def readings(text: str) -> Iterator[Hashable]:
    """Yield what `text` may mean as a key, the plainest first.

    Examples
    --------
    >>> list(readings("12")), list(readings("2013-01-31")), list(readings("true"))
    (['12', 12, 12.0], ['2013-01-31', datetime.date(2013, 1, 31)], ['true', True])
    """
    yield text
    for read in (int, float, dt.date.fromisoformat, dt.datetime.fromisoformat):
        try:
            value = read(text)
        except ValueError:
            continue
        yield value
        if isinstance(value, dt.date):
            return
    if text.lower() in ("true", "false"):
        yield text.lower() == "true"


def find_key(tables: Mapping[str | None, Any], text: str) -> tuple[str | None, Any]:
    """Return the column that knows the key, and the key as it knows it.

    Raises
    ------
    UnknownKeyError
        No column knows it; names the keys that are spelled most alike.
    ArgumentError
        Several columns know it.
    """
    found = [
        (column, key)
        for column, vectors in tables.items()
        for key in [next((r for r in readings(text) if r in vectors), None)]
        if key is not None
    ]
    if len(found) == 1:
        return found[0]
    if found:
        columns = [str(column) for column, _ in found]
        raise ArgumentError(
            f"`KEY` of `near` must be known to one column; {text!r} is in {len(columns)}: "
            f"{', '.join(columns)}. "
            f"Choose one: --column {columns[0]}."
        )
    named = [column for column in tables if column is not None]
    raise UnknownKeyError(
        text,
        nearest=_spelled_alike(tables, text),
        owner=f"the run, in its columns {', '.join(named)},"
        if len(named) > 1
        else named[0]
        if named
        else "the file",
    )


def _spelled_alike(tables: Mapping[str | None, Any], text: str) -> list[Any]:
    """Return up to three keys of any column, most alike first."""
    from difflib import SequenceMatcher

    candidates = [key for vectors in tables.values() for key in vectors.vocabulary.nearest_keys(text, k=3)]
    wanted = text.casefold()
    alike = {key: SequenceMatcher(None, wanted, str(key).casefold()).ratio() for key in candidates}
    return sorted(alike, key=lambda key: -alike[key])[:3]
