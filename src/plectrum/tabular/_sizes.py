"""Sizes that are chosen when the user does not: of the rows of a table, of batches, of a training."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from plectrum.errors import ArgumentError

MAX_DIM = 50


def default_embedding_dim(n_levels: int) -> int:
    """Return ``min(50, n_levels, round(1.6 * n_levels ** 0.56))``, at least 1.

    The power law is fastai's, a rule of thumb that nobody derived; the cap of 50 is that of the older rule
    ``(n + 1) // 2``. Rules differ by a factor of ten at a thousand levels, so this one is meant as a generous
    start: ``estimator.trim()`` finds out afterwards how many dims carry the signal.

    Examples
    --------
    >>> [default_embedding_dim(n) for n in (1, 2, 7, 31, 104, 1115, 100_000)]
    [1, 2, 5, 11, 22, 50, 50]
    """
    return max(1, min(MAX_DIM, n_levels, round(1.6 * n_levels**0.56)))


def choose_embedding_dims(
    given: Any,
    n_levels: Mapping[str, int],
    sources: Mapping[str, str],
    *,
    owner: str,
    dates: Iterable[str] = (),
) -> dict[str, int]:
    """Return the dim of each table: by the rule ("auto"), one for all (an int), or by name (a mapping).

    A mapping may name a table ("date_month") or the column it comes from ("date"); the rest follow the rule.
    Parts of `dates` may be named that have no table, since they do not vary in these rows.
    """
    if isinstance(given, str) and given == "auto":
        given = {}
    if not isinstance(given, Mapping):
        _check_dim(given, owner, None)
        return dict.fromkeys(n_levels, int(given))
    parts = tuple(f"{date}_" for date in dates)
    for name, dim in given.items():
        if name not in n_levels and name not in sources.values() and not str(name).startswith(parts):
            raise ArgumentError(
                f"`embedding_dim` of `{owner}` must name categorical columns, which are "
                f"{', '.join(map(repr, n_levels)) or 'none here'}; got {name!r}. Correct the name, or make "
                "the column categorical with `categorical=`."
            )
        _check_dim(dim, owner, name)
    rule = {name: default_embedding_dim(n) for name, n in n_levels.items()}
    return {name: int(given.get(name, given.get(sources[name], rule[name]))) for name in n_levels}


def _check_dim(dim: Any, owner: str, name: str | None) -> None:
    if isinstance(dim, bool) or not hasattr(dim, "__index__") or dim < 1:
        where = "" if name is None else f" for {name!r}"
        raise ArgumentError(
            f'`embedding_dim` of `{owner}` must be "auto", a whole number of at least 1, or a dict of these '
            f'by column; got {dim!r}{where}. Use "auto" when in doubt.'
        )


def default_batch_size(n_rows: int) -> int:
    """Return a power of two between 16 and 1024 that gives about 100 steps an epoch.

    Examples
    --------
    >>> [default_batch_size(n) for n in (30, 1000, 30_000, 300_000)]
    [16, 16, 256, 1024]
    """
    return int(2 ** np.clip(np.rint(np.log2(max(n_rows, 1) / 100)), 4, 10))


def default_epochs(n_rows: int, batch_size: int) -> int:
    """Return enough epochs for about 1,500 steps, between 10 and 100.

    Examples
    --------
    >>> default_epochs(1000, 16), default_epochs(300_000, 1024)
    (24, 10)
    """
    steps = -(-n_rows // batch_size)
    return int(np.clip(-(-1500 // steps), 10, 100))
