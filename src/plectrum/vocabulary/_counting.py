"""How often each key occurs, and the order in which keys get their rows."""

from collections.abc import Hashable

import numpy as np

from plectrum.vocabulary._keys import PADDING, UNKNOWN


def by_first_appearance(codes: np.ndarray, keys: list[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the keys that occur, in order of first appearance, without missing; and counts of all."""
    counts = np.bincount(codes, minlength=len(keys))
    first = np.full(len(keys), len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last write wins: the first appearance
    seen = np.flatnonzero(counts)
    order = seen[np.argsort(first[seen], kind="stable")]
    missing = next((n for n, key in enumerate(keys) if key is None), -1)
    reserved = {n for n, key in enumerate(keys) if key is UNKNOWN or key is PADDING} | {missing}
    return order[~np.isin(order, list(reserved))], counts


def by_falling_count(codes: np.ndarray, keys: list[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    order, counts = by_first_appearance(codes, keys)
    return order[np.argsort(-counts[order], kind="stable")], counts
