"""What the methods of a vocabulary must not be given."""

from collections.abc import Hashable
from typing import Any

import numpy as np

from plectrum.errors import ArgumentError
from plectrum.vocabulary._keys import PADDING, UNKNOWN


def check_size(name: str, value: Any, owner: str, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(
            f"`{name}` of `{owner}` must be a whole number of {least} or more; got {value!r}. "
            f"{'Use 1 to keep every key.' if name == 'min_count' else 'Use None to keep every key.'}"
        )


def check_distinct(codes: np.ndarray, distinct: list[Hashable]) -> None:
    advice = "Vocabulary.learn counts repeated keys and leaves missing ones out."
    for n, key in enumerate(distinct):
        if key is None or key is UNKNOWN or key is PADDING:
            at = np.flatnonzero(codes == n)
            if len(at):
                raise ArgumentError(
                    f"`keys` of `Vocabulary.from_keys` must not be missing; got {key!r} at position "
                    f"{at[0]:,}, {len(at):,} of {len(codes):,} values. {advice}"
                )
    counts = np.bincount(codes, minlength=len(distinct))
    if counts.max(initial=0) > 1:
        first = int(np.flatnonzero(counts[codes] > 1)[0])
        again = np.flatnonzero(codes == codes[first])
        raise ArgumentError(
            f"`keys` of `Vocabulary.from_keys` must be distinct; got {distinct[codes[first]]!r} at positions "
            f"{again[0]:,} and {again[1]:,}, {int((counts > 1).sum()):,} keys stand more than once. {advice}"
        )


def as_counts(counts: Any, n: int) -> np.ndarray:
    numbers = np.asarray(counts)
    if numbers.shape != (n,) or numbers.dtype.kind not in "iu" or (n and numbers.min() < 0):
        least = f", the least {numbers.min()}" if numbers.size and numbers.dtype.kind in "iuf" else ""
        raise ArgumentError(
            "`counts` of `Vocabulary.from_keys` must be one whole number of 0 or more for each of the "
            f"{n:,} keys; got shape {numbers.shape} of dtype {numbers.dtype}{least}. Leave it out when the "
            "keys were not counted."
        )
    return numbers.astype(np.int64)
