"""Vectors in fewer bytes, and how many of the nearest keys are still the nearest."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError
from plectrum.vectors import _search


def quantized(matrix: NDArray[Any], dtype: str) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Return the matrix in another type, and for int8 the scale of every row."""
    if dtype == "float16":
        with np.errstate(over="ignore"):
            half = matrix.astype(np.float16)
        n_lost = int((~np.isfinite(half) & np.isfinite(matrix)).sum())
        if n_lost:
            raise ArgumentError(
                f"`matrix` must lie within +-65,504 to be stored as float16; {n_lost:,} numbers do not. Use "
                "int8."
            )
        return half, None
    if dtype != "int8":
        raise ArgumentError(f'`dtype` of `quantize` must be "float16" or "int8"; got {dtype!r}.')
    if not np.isfinite(matrix).all():
        raise ArgumentError(
            "`matrix` must be finite to be stored as int8; some numbers are not. Use float16."
        )
    scales = (np.abs(matrix).max(axis=1, initial=0.0) / 127).astype(np.float32)
    scales[scales == 0] = 1.0
    return np.clip(np.rint(matrix / scales[:, None]), -127, 127).astype(np.int8), scales


def recall(before: NDArray[Any], after: NDArray[Any], asked: NDArray[np.int64], k: int) -> float:
    """Return the mean share of each asked row's `k` nearest rows that are found again (row scales cancel)."""
    found = [
        _search.nearest_rows(
            m, _search.row_norms(m), np.asarray(m[asked], np.float32), k, excluded=asked[:, None]
        )[0]
        for m in (before, after)
    ]
    shared = [len(set(a) & set(b)) for a, b in zip(found[0].tolist(), found[1].tolist(), strict=True)]
    return float(np.mean(shared) / k)
