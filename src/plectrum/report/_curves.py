"""Drawings without a script, as SVG that CSS colours: the loss curves, and a still picture of a map."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plectrum.report._legible import escape, number
from plectrum.report._tables import Table

_LETTER = 8.2  # room that a letter of a still map takes, at 12 pixels


@dataclass(frozen=True)
class Baseline:
    """A horizontal line across the loss curves."""

    name: str
    value: float


def loss_curves(history: Sequence[dict[str, Any]], baselines: Sequence[Baseline], *, width: int) -> str:
    """Return the curves of the losses over the epochs, `width` pixels wide, each baseline a line."""
    train = _points(history, "train_loss")
    valid = _points(history, "valid_loss")
    if len(train) < 2:
        return ""
    wide = width > 500
    height, left, right, top, bottom = (280, 56, 190, 14, 34) if wide else (250, 56, 14, 34, 34)
    names = ("training rows", "validation rows") if valid else ("training", "")
    values = [v for _, v in train + valid]
    low, high = min(values), max(values)
    shown = [b for b in baselines if b.value <= high + 1.5 * (high - low) and b.value >= low - (high - low)]
    low, high = min([low, *(b.value for b in shown)]), max([high, *(b.value for b in shown)])
    logs = low > 0 and high > 5 * low  # so that the end, where it is decided, can be read
    scale: Callable[[float], float] = math.log if logs else float
    margin = 0.06 * (scale(high) - scale(low)) or 0.5 * abs(high) or 1.0
    bottom_end, top_end = scale(low) - margin, scale(high) + margin
    first, last = train[0][0], train[-1][0]

    def x(epoch: float) -> float:
        return left + (epoch - first) / ((last - first) or 1) * (width - left - right)

    def y(loss: float) -> float:
        return top + (top_end - scale(loss)) / (top_end - bottom_end) * (height - top - bottom)

    parts = [
        f'<svg class="curves" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="Loss on training and validation rows over {len(train)} epochs">'
    ]
    for tick in _log_ticks(low, high) if logs else _ticks(low - margin, high + margin):
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,g}</text>'
        )
    parts += [
        f'<text class="tick" x="{x(epoch):.1f}" y="{height - 12}" text-anchor="middle">{epoch}</text>'
        for epoch in _whole_ticks(first, last, 9 if wide else 5)
    ]
    ends: list[tuple[float, str, str]] = []
    for line in shown:
        parts.append(
            f'<line class="base" x1="{left}" x2="{width - right}" '
            f'y1="{y(line.value):.1f}" y2="{y(line.value):.1f}">'
            f"<title>{escape(line.name)}: {number(line.value)}</title></line>"
        )
        ends.append((y(line.value), "base-name", line.name))
    for points, kind, name in ((train, "train", names[0]), (valid, "valid", names[1])):
        if points:
            path = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in points)
            parts.append(f'<polyline class="{kind}" points="{path}"/>')
            ends.append((y(points[-1][1]), f"{kind}-name", name))
    parts += _dots(train, valid, x, y)
    parts.append(_names_at_the_end(ends, width, right, height) if wide else _names_above(ends))
    parts.append("</svg>")
    return "".join(parts)


def _points(history: Sequence[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    found = [(epoch.get("epoch", i + 1), epoch.get(name)) for i, epoch in enumerate(history)]
    return [(float(e), float(v)) for e, v in found if v is not None and np.isfinite(v)]


def _dots(train: list[tuple[float, float]], valid: list[tuple[float, float]], x: Any, y: Any) -> list[str]:
    """Return the points, to be read one by one; the best epoch on held-out rows is ringed."""
    parts = []
    for points, kind, name in ((train, "train", "training"), (valid, "valid", "validation")):
        for epoch, value in points if len(points) <= 80 else []:
            parts.append(
                f'<circle class="{kind}" cx="{x(epoch):.1f}" cy="{y(value):.1f}" r="2.6">'
                f"<title>epoch {number(epoch)}, {name} rows: {number(value, 5)}</title></circle>"
            )
    if len(valid) > 1:
        epoch, value = min(valid, key=lambda point: point[1])
        parts.append(
            f'<circle class="best" cx="{x(epoch):.1f}" cy="{y(value):.1f}" r="6">'
            f"<title>best on validation rows: epoch {number(epoch)}, {number(value, 5)}</title></circle>"
        )
    return parts


def _names_above(ends: list[tuple[float, str, str]]) -> str:
    """Return the names of the curves in one line, where there is no room beside them; baselines as one."""
    names = [(kind, name) for _, kind, name in ends if kind != "base-name"]
    if len(names) < len(ends):
        names.append(("base-name", "- - other models"))
    places = (12, 112, 222)
    return "".join(
        f'<text class="{kind}" x="{at}" y="14">{escape(name)}</text>'
        for at, (kind, name) in zip(places, names, strict=False)
        if name
    )


def _names_at_the_end(ends: list[tuple[float, str, str]], width: int, right: int, height: int) -> str:
    """Return the names of the lines beside their ends, pushed apart where they would touch."""
    ends = sorted(ends)
    places: list[float] = []
    for at, _, _ in ends:
        places.append(max(at, places[-1] + 15) if places else at)
    if places and places[-1] > height - 38:
        places[-1] = height - 38
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - 15)
    return "".join(
        f'<text class="{kind}" x="{width - right + 10}" y="{place + 4:.1f}">{escape(_short(name))}</text>'
        for place, (_, kind, name) in zip(places, ends, strict=True)
    )


def _short(name: str) -> str:
    return name if len(name) < 31 else name[:29] + "…"


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 4
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= rough)
    return [float(t) for t in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [s * 10.0**p for p in powers for s in (1, 2, 5) if low <= s * 10.0**p <= high]
    return ticks if len(ticks) <= 7 else [t for t in ticks if f"{t:e}"[0] == "1"]


def _whole_ticks(first: float, last: float, most: int) -> list[int]:
    span = int(last - first)
    step = next(
        (s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if span / s < most), max(span // most, 1)
    )
    return [e for e in range(int(first), int(last) + 1) if e % step == 0 or step == 1]


def still_maps(table: Table) -> str:
    """Return the map for readers without JavaScript, for wide windows and for narrow ones."""
    wide = still_map(table, width=860, height=520, n_rows=300, n_labels=34)
    narrow = still_map(table, width=370, height=330, n_rows=100, n_labels=14)
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def still_map(table: Table, *, width: int, height: int, n_rows: int, n_labels: int) -> str:
    """Return a picture of the map: the rows seen most, some with names."""
    places = table.places[:n_rows].astype(np.float64)
    if len(places) == 0:
        return ""
    low, high = places.min(axis=0), places.max(axis=0)
    middle, scale = (
        (low + high) / 2,
        min((width - 90) / ((high - low)[0] or 1), (height - 50) / ((high - low)[1] or 1)),
    )
    x = width / 2 + (places[:, 0] - middle[0]) * scale
    y = height / 2 - (places[:, 1] - middle[1]) * scale
    counts = np.nan_to_num(table.counts[:n_rows], nan=1.0)
    radii = 2 + 5 * np.sqrt(counts / (counts.max(initial=0) or 1))
    dots = "".join(
        f'<circle cx="{x[i]:.0f}" cy="{y[i]:.0f}" r="{radii[i]:.1f}">'
        f"<title>{escape(table.labels[i])}</title></circle>"
        for i in range(len(x))
    )
    taken: list[tuple[float, float, float]] = []
    names = []
    for i in range(len(x)):
        text = table.labels[i] if len(table.labels[i]) <= 24 else table.labels[i][:23] + "…"
        left, right = x[i] + radii[i] + 3, x[i] + radii[i] + 3 + _LETTER * len(text)
        if len(taken) == n_labels:
            break
        if right < width and all(abs(y[i] - v) > 14 or left > b or right < a for a, b, v in taken):
            taken.append((left, right, y[i]))
            names.append(f'<text x="{left:.0f}" y="{y[i] + 4:.0f}">{escape(text)}</text>')
    return (
        f'<svg class="still" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Map of {escape(table.name, longest=80)}">'
        f"{dots}{''.join(names)}</svg>"
    )
