"""Two tables of the same keys, turned so that they can be compared row by row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Alignment:
    """The turn that brings table A onto table B.

    ``moved_a = scale * (a - middle_a) @ rotation``, to be compared with ``b - middle_b``.
    """

    rotation: NDArray[np.float64]  # (dim, dim), orthogonal; the narrower table is padded with zeros
    scale: float
    middle_a: NDArray[np.float64]  # (dim,)
    middle_b: NDArray[np.float64]
    fit: float  # share of B's variance that A explains once it is turned

    def turned(self, a: Floats) -> Floats:
        """Return rows of A where they stand in B's space, B's middle taken off: (n, dim)."""
        return np.asarray(
            self.scale * (_wide(a, len(self.rotation)) - self.middle_a) @ self.rotation, np.float32
        )

    def centred(self, b: Floats) -> Floats:
        """Return rows of B with their middle taken off: (n, dim)."""
        return np.asarray(_wide(b, len(self.rotation)) - self.middle_b, np.float32)


def align(a: Floats, b: Floats, weights: NDArray[np.float64]) -> Alignment:
    """Return the rotation, and the scale, that bring the rows of `a` closest to the same rows of `b`.

    Minimises ``sum_i w_i |scale * (a_i - middle_a) @ R - (b_i - middle_b)|²`` over orthogonal ``R`` and
    ``scale``: with ``A' W B = U S V'``, ``R = U V'`` and ``scale = sum(S) / sum_i w_i |a_i - middle_a|²``.
    A network cannot tell such turns of a table apart, as its next layer undoes them; neither should a
    comparison.

    Parameters
    ----------
    a : (n, dim_a) float
    b : (n, dim_b) float
        The same keys in the same order.
    weights : (n,) float
        How far each row is to be believed, not negative.

    Notes
    -----
    Source: P. Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 31
    (1966).
    """
    dim = max(a.shape[1], b.shape[1])
    w = (weights / weights.sum() if weights.sum() > 0 else np.full(len(a), 1 / max(len(a), 1)))[:, None]
    a64, b64 = _wide(a, dim).astype(np.float64), _wide(b, dim).astype(np.float64)
    middle_a, middle_b = (w * a64).sum(axis=0), (w * b64).sum(axis=0)
    a64, b64 = a64 - middle_a, b64 - middle_b
    u, s, vt = np.linalg.svd((w * a64).T @ b64)
    size_a, size_b = float((w * a64**2).sum()), float((w * b64**2).sum())
    scale = float(s.sum()) / size_a if size_a > 0 else 1.0
    fit = float(s.sum()) ** 2 / (size_a * size_b) if size_a * size_b > 0 else 0.0
    return Alignment(u @ vt, scale, middle_a, middle_b, fit)


def _wide(matrix: Floats, dim: int) -> Floats:
    return np.pad(matrix, ((0, 0), (0, dim - matrix.shape[1])))
