"""What can be said of a table and its map: neighbours, how many the map keeps, what its axes mean, trust."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.report._tables import Floats, Table

FEW_TIMES = 10  # seen less often than this: a row's place says little
_BLOCK = 1 << 22  # similarities held at once
_MEASURED_WHOLE = 10_000  # levels up to which the map's honesty is measured for every row
_SAMPLED = 1_000  # rows it is measured on beyond that
NOT_MEASURED = 255


@dataclass(frozen=True)
class Honesty:
    """How much of the neighbourhoods the flat map keeps."""

    k: int  # neighbours that were compared
    share: float  # of the k nearest in all dimensions, found among the k nearest on the map
    chance: float  # the same for a map drawn blindly
    n_rows: int  # rows it was measured on
    kept: NDArray[np.uint8]  # (n,) neighbours kept per row, NOT_MEASURED where it was not


@dataclass(frozen=True)
class Axis:
    """One axis of the map."""

    variance: float  # share of the table's variance
    tracks: list[tuple[str, float]]  # measure, rank correlation; strongest first
    low: list[str]  # labels at the two ends
    high: list[str]


def unit_rows(matrix: Floats) -> Floats:
    """Return the rows scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return np.asarray(matrix / lengths, np.float32)


def nearest_rows(unit: Floats, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the k rows of highest cosine to each of `rows`, itself left out: (len(rows), k), best first."""
    found = np.empty((len(rows), k), np.int64)
    step = max(1, _BLOCK // max(len(unit), 1))
    for start in range(0, len(rows), step):
        asked = rows[start : start + step]
        scores = unit[asked] @ unit.T  # (step, n)
        scores[np.arange(len(asked)), asked] = -np.inf
        found[start : start + step] = _top(scores, k)
    return found


def _nearest_places(places: Floats, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    found = np.empty((len(rows), k), np.int64)
    step = max(1, _BLOCK // max(len(places), 1))
    lengths = (places**2).sum(axis=1)
    for start in range(0, len(rows), step):
        asked = rows[start : start + step]
        closeness = 2 * places[asked] @ places.T - lengths  # ranks as the negative squared distance does
        closeness[np.arange(len(asked)), asked] = -np.inf
        found[start : start + step] = _top(closeness, k)
    return found


def _top(scores: Floats, k: int) -> NDArray[np.int64]:
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1)


def map_honesty(table: Table, *, seed: int = 0) -> Honesty | None:
    """Return how much of the neighbourhoods the map keeps; None for a table of fewer than 4 rows."""
    n = len(table.labels)
    if n < 4:
        return None
    k = min(10, max(1, n // 5))
    rows = np.arange(n)
    if n > _MEASURED_WHOLE:
        rows = np.sort(np.random.default_rng(seed).choice(n, _SAMPLED, replace=False))
    true = nearest_rows(unit_rows(table.vectors), rows, k)
    drawn = _nearest_places(table.places - table.places.mean(axis=0), rows, k)
    kept = (true[:, :, None] == drawn[:, None, :]).any(axis=2).sum(axis=1)
    each = np.full(n, NOT_MEASURED, np.uint8)
    each[rows] = kept
    return Honesty(k, float(kept.mean() / k), k / (n - 1), len(rows), each)


def describe_axes(table: Table) -> list[Axis]:
    """Return what the two axes of the map go along with, and who stands at their ends."""
    n = len(table.labels)
    if n < 3:
        return []
    total = float(table.vectors.var(axis=0, dtype=np.float64).sum()) or 1.0
    counts = table.counts
    firm = np.flatnonzero(~(counts < FEW_TIMES))
    firm = firm if len(firm) >= 6 else np.arange(n)
    axes = []
    for axis in (0, 1):
        places = table.places[:, axis].astype(np.float64)
        order = firm[np.argsort(places[firm], kind="stable")]
        ends = min(3, len(order) // 2)
        tracks = []
        for name, values in table.measures.items():
            if name == "n_updates":  # goes with the count
                continue
            usable = firm[np.isfinite(values[firm])]
            if len(usable) >= 6:
                correlation = rank_correlation(places[usable], values[usable])
                if abs(correlation) >= 0.1:
                    tracks.append((name, correlation))
        tracks.sort(key=lambda pair: -abs(pair[1]))
        axes.append(
            Axis(
                variance=float(places.var() / total),
                tracks=tracks[:3],
                low=[table.labels[i] for i in order[:ends]],
                high=[table.labels[i] for i in order[::-1][:ends]],
            )
        )
    return axes


def rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    return (ends - (sizes - 1) / 2)[place]


def trust_of(table: Table) -> NDArray[np.uint8]:
    """Return how far each row's place may be read: 2 well, 1 with care, 0 not at all.

    Not at all: seen fewer than 10 times, or hardly moved from its random start (a fifth of what the table's
    well-seen rows moved). With care: seen fewer than 50 times, or moved less than half of that.
    """
    counts = np.where(np.isfinite(table.counts), table.counts, np.inf)
    trust = np.select([counts < FEW_TIMES, counts < 5 * FEW_TIMES], [0, 1], 2)
    moved = table.measures.get("moved")
    if moved is not None and np.isfinite(moved).any():
        firm = np.isfinite(moved) & (counts >= 5 * FEW_TIMES)
        usual = float(np.median(moved[firm])) if firm.any() else float(np.nanmedian(moved))
        if usual > 0:
            by_moved = np.select([moved < usual / 5, moved < usual / 2], [0, 1], 2)
            trust = np.where(np.isfinite(moved), np.minimum(trust, by_moved), trust)
    return trust.astype(np.uint8)


def rare_levels(table: Table, *, most: int = 12) -> tuple[int, list[tuple[str, int]]]:
    """Return how many rows were seen fewer than 10 times, and the rarest of all with their counts."""
    counts = table.counts
    known = np.flatnonzero(np.isfinite(counts))
    n_few = int((counts[known] < FEW_TIMES).sum())
    rarest = known[np.argsort(counts[known], kind="stable")][:most]
    return n_few, [(table.labels[i], int(counts[i])) for i in rarest]


def neighbour_list(table: Table, row: int, k: int = 5) -> list[tuple[str, float, Any]]:
    """Return the k nearest rows in all dimensions: label, cosine, count."""
    n = len(table.labels)
    k = min(k, n - 1)
    if k < 1:
        return []
    unit = unit_rows(table.vectors)
    found = nearest_rows(unit, np.array([row]), k)[0]
    return [(table.labels[i], float(unit[i] @ unit[row]), table.counts[i]) for i in found]


def by_tellingness(tables: list[Table]) -> list[Table]:
    """Return the tables, first the one whose levels tell most of the target; else as they come."""
    return sorted(tables, key=lambda table: -_variance_told(table))


def _variance_told(table: Table) -> float:
    """Return the variance of the target's mean between the levels, weighted by their counts."""
    means, counts = table.measures.get("target_mean"), table.counts
    if means is None:
        return 0.0
    known = np.isfinite(means) & np.isfinite(counts) & (counts >= FEW_TIMES)
    if known.sum() < 2:
        return 0.0
    weights = counts[known] / counts[known].sum()
    centre = float(weights @ means[known])
    return float(weights @ (means[known] - centre) ** 2)
