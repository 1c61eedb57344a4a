"""Numbers made fit for a network: scaled so that outliers do no harm, missing ones marked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SCALINGS = ("quantile", "robust", "standard")
_N_QUANTILES = 256
_EDGE = 3.0  # where the smooth clip levels off; for quantiles, the normal score of the outermost 0.13 %


@dataclass(frozen=True)
class NumericScale:
    """How the numbers of one column become numbers of about unit size.

    - ``robust``: ``z = (x - median) / (upper quartile - lower quartile) * 1.349``, then the smooth clip
      ``z / sqrt(1 + (z / 3) ** 2)``, which leaves the middle as it is and no value beyond 3 (RealMLP's
      scaling). Where the quartiles are equal, a third of the range takes the place of their distance.
    - ``quantile``: the rank of x among the training values as a normal score, within -3 and 3; only the order
      of the values counts.
    - ``standard``: ``(x - mean) / standard deviation``, which one wild value can spoil.

    A missing number becomes 0, which is the median (the mean for ``standard``); `marks_missing` says whether
    an indicator column stands beside it, which is so when numbers were missing in training.

    References
    ----------
    Holzmüller, Grinsztajn and Steinwart 2024, "Better by default", appendix A (robust scaling, smooth
    clipping).
    """

    scaling: str
    centre: float
    spread: float
    quantiles: np.ndarray | None  # (n,) increasing, float64
    scores: np.ndarray | None  # (n,) float64
    marks_missing: bool

    @classmethod
    def learn(cls, values: np.ndarray, scaling: str) -> "NumericScale":
        """Learn the scale from float64 values (n,), in which NaN is missing."""
        seen = values[~np.isnan(values)]
        marks_missing = len(seen) < len(values)
        if not len(seen):
            return cls(scaling, 0.0, 1.0, None, None, marks_missing)
        if scaling == "standard":
            return cls(scaling, float(seen.mean()), float(seen.std()) or 1.0, None, None, marks_missing)
        if scaling == "quantile":
            quantiles, scores = _quantile_scores(seen)
            return cls(scaling, 0.0, 1.0, quantiles, scores, marks_missing)
        lower, median, upper = np.quantile(seen, [0.25, 0.5, 0.75])
        spread = (upper - lower) / 1.349 or (seen.max() - seen.min()) / 3 or 1.0
        return cls(scaling, float(median), float(spread), None, None, marks_missing)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return float32 (n,): scaled, 0 where missing."""
        if self.quantiles is not None:
            scaled = np.interp(values, self.quantiles, self.scores if self.scores is not None else [])
        else:
            scaled = (values - self.centre) / self.spread
            if self.scaling == "robust":
                scaled = scaled / np.sqrt(1 + (scaled / _EDGE) ** 2)
        return np.nan_to_num(scaled, nan=0.0).astype(np.float32)

    def to_record(self) -> dict[str, Any]:
        """Return the scale as plain JSON."""
        return {
            "scaling": self.scaling,
            "centre": self.centre,
            "spread": self.spread,
            "quantiles": None if self.quantiles is None else self.quantiles.tolist(),
            "scores": None if self.scores is None else self.scores.tolist(),
            "marks_missing": self.marks_missing,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "NumericScale":
        """Rebuild a scale from :meth:`to_record`."""
        arrays = {
            name: None if record[name] is None else np.asarray(record[name], np.float64)
            for name in ("quantiles", "scores")
        }
        return cls(
            record["scaling"],
            record["centre"],
            record["spread"],
            arrays["quantiles"],
            arrays["scores"],
            record["marks_missing"],
        )


def _quantile_scores(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (strictly increasing) and their normal scores: that of the mean rank of each value."""
    from scipy.special import ndtri

    share = np.linspace(0, 1, min(_N_QUANTILES, len(seen)) if len(seen) > 1 else 2)
    values, where = np.unique(np.quantile(seen, share), return_inverse=True)
    middle = np.bincount(where, weights=share) / np.bincount(where)
    return values, np.clip(ndtri(middle), -_EDGE, _EDGE)
