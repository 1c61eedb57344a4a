"""How vectors show themselves in a notebook: a small map, and the keys seen most with their neighbours.

Colours are the reader's own text colour at some opacity, and one accent that can be seen on white and on
black, so that dark and light themes need no word. There is no script and no style sheet: what a notebook
strips from an untrusted page was not there.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plectrum.vectors import _geometry
from plectrum.vectors._labels import key_label, legible

if TYPE_CHECKING:
    from plectrum.vectors._vectors import Vectors

_DOTS, _DOTS_OF_SMALL = 800, 400  # keys on a map
_SEARCHED = 200_000  # keys among which neighbours are looked for
_LISTED, _NEAR = 6, 4  # keys in the table, neighbours of each
_TABLES = 8  # small maps of an estimator
_LETTERS = 18  # of a label on a map
_ACCENT = "#2a9d8f"
Rows = NDArray[np.int64]
_BOX = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;margin:4px 0"
_ROW = "display:flex;flex-wrap:wrap;gap:12px 32px;align-items:flex-start"
_CELL = "text-align:left;vertical-align:top;padding:2px 18px 2px 0;border:0;background:none;max-width:300px"
_NUMBER = _CELL.replace("left", "right")
_SOFT = "opacity:.62"


class ShowsVectors:
    """Mixin for estimators: their display in a notebook goes on with what they learned, `vectors_`.

    It stands before scikit-learn's base, whose own display it leaves as it is.
    """

    def _repr_html_inner(self) -> str:
        return str(super()._repr_html_inner()) + _learned(self)  # type: ignore[misc]

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] += _learned(self)
        return bundle


def _learned(estimator: Any) -> str:
    """Return what a fitted estimator shows of its vectors; nothing before it is fitted."""
    found = getattr(estimator, "vectors_", None)
    if found is None:
        return ""
    if not isinstance(found, Mapping):
        return show(found)
    tables = sorted(found.items(), key=lambda item: -len(item[1]))
    maps = "".join(_small(name, vectors) for name, vectors in tables[:_TABLES])
    more = len(tables) - _TABLES
    rest = f'<p style="{_SOFT};margin:6px 0 0">and {more:,} smaller tables</p>' if more > 0 else ""
    return f'<div class="plectrum" style="{_BOX}"><div style="{_ROW}">{maps}</div>{rest}</div>'


def show(vectors: "Vectors") -> str:
    """Return vectors as HTML for a notebook.

    Cost: the principal components of at most 800 rows, and one search for six keys among at most 200,000.
    """
    rows = _rows_to_draw(vectors, _DOTS)
    parts = ""
    if len(rows):
        parts = _map(vectors, rows, width=360, height=250, n_labels=16, hover=True)
        parts += _table(vectors, rows[:_LISTED])
    return (
        f'<div class="plectrum" style="{_BOX}"><div style="margin:0 0 6px">{_headline(vectors)}</div>'
        f'<div style="{_ROW}">{parts}</div></div>'
    )


def _small(name: str, vectors: "Vectors") -> str:
    rows = _rows_to_draw(vectors, _DOTS_OF_SMALL)
    drawn = _map(vectors, rows, width=230, height=160, n_labels=8, hover=False)
    title = f"<b>{escape(legible(str(name), longest=40))}</b>"
    size = f'<span style="{_SOFT}">{len(vectors):,} × {vectors.embedding_dim}</span>'
    return f'<div style="max-width:230px"><div><bdi>{title}</bdi> {size}</div>{drawn}</div>'


def _headline(vectors: "Vectors") -> str:
    held = [str(vectors.dtype)]
    if vectors.counts is not None:
        held.append("counts")
    special = {"unknown": vectors.unknown, "missing": vectors.missing}
    held += [f"a vector for {name} keys" for name, vector in special.items() if vector is not None]
    if vectors.subwords is not None:
        held.append("answers for text that is no key")
    size = f"<b>{len(vectors):,} keys × {vectors.embedding_dim} numbers</b>"
    return f'{size} <span style="{_SOFT}">· {" · ".join(held)}</span>'


def _rows_to_draw(vectors: "Vectors", n: int) -> Rows:
    """Return the rows seen most, most first; without counts the first ones: so files of words stand."""
    if vectors.counts is None:
        return np.arange(min(len(vectors), n))
    return np.argsort(-vectors.counts, kind="stable")[:n]


# ------------------------------------------------------------------------------ the map


def _map(vectors: "Vectors", rows: Rows, *, width: int, height: int, n_labels: int, hover: bool) -> str:
    """Return a map of some rows on their two principal components, with labels that do not overlap."""
    matrix = np.asarray(vectors.rows(rows), np.float64)
    whole = np.isfinite(matrix).all(axis=1)
    matrix, rows = matrix[whole], rows[whole]
    if not len(matrix):
        return ""
    at, kept = _places(matrix, width, height)
    counts = None if vectors.counts is None else vectors.counts[rows]
    keys = vectors.keys
    names = [key_label(keys[row]) for row in rows.tolist()]
    titles = [f"<title>{escape(name)}</title>" if hover else "" for name in names]
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}">{title}</circle>'
        for (x, y), r, title in zip(at.tolist(), _radii(counts, len(rows)), titles, strict=True)
    )
    which = "all keys" if len(rows) == len(vectors) else f"{len(rows):,} of the keys"
    return (
        f'<div><svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Map of {which}" style="display:block;max-width:100%;height:auto;color:inherit">'
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" fill="none" '
        'stroke="currentColor" stroke-opacity=".2"/>'
        f'<g fill="{_ACCENT}" fill-opacity=".7">{dots}</g>'
        '<g fill="currentColor" font-size="11" font-family="system-ui,sans-serif" text-anchor="middle">'
        f"{''.join(_labels(names, at, width, n_labels))}</g></svg>"
        f'<div style="{_SOFT};font-size:12px">{which}, {kept:.0%} of the variance</div></div>'
    )


def _places(matrix: NDArray[np.float64], width: int, height: int) -> tuple[NDArray[np.float64], float]:
    """Return places inside the frame, one scale for both axes, and the share of the variance that is there.

    What lies far out is drawn at the edge.
    """
    axes, energies, centre = _geometry.directions(matrix, centred=True)
    places = np.zeros((len(matrix), 2))
    n_axes = min(2, matrix.shape[1])
    places[:, :n_axes] = (matrix - centre) @ axes[:, :n_axes]
    low, high = np.percentile(places, [1, 99], axis=0)
    extent = np.maximum(high - low, 1e-12)
    scale = min((width - 70) / extent[0], (height - 44) / extent[1])
    at = (places - (low + high) / 2) * np.array([scale, -scale]) + np.array([width / 2, height / 2])
    kept = float(energies[:2].sum() / energies.sum()) if energies.sum() > 0 else 1.0
    return np.clip(at, 7, np.array([width - 7, height - 7])), kept


def _radii(counts: NDArray[np.int64] | None, n: int) -> list[float]:
    if counts is None or not counts.any():
        return [2.4] * n
    sizes: list[float] = (1.6 + 3.4 * np.sqrt(counts / counts.max())).tolist()
    return sizes


def _labels(names: list[str], at: NDArray[np.float64], width: int, n_labels: int) -> Iterator[str]:
    """Yield the names of the first rows above their dots, those that have room."""
    taken: list[tuple[float, float, float, float]] = []
    for name, (x, y) in zip(names[: 5 * n_labels], at.tolist(), strict=False):
        short = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
        half = 3.3 * len(short) + 3
        centre = min(max(x, half), width - half)
        box = (centre - half, y - 18, centre + half, y - 4)
        overlaps = any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
        if len(taken) == n_labels or overlaps or box[1] < 2:
            continue
        taken.append(box)
        yield f'<text x="{centre:.0f}" y="{y - 7:.0f}">{escape(short)}</text>'


# ------------------------------------------------------------------------------ the keys


def _table(vectors: "Vectors", rows: Rows) -> str:
    """Return a table of some keys: how often seen, and their nearest neighbours in all dimensions."""
    among: Any = vectors if len(vectors) <= _SEARCHED else vectors[:_SEARCHED]
    keys = vectors.keys
    answers = among.nearest(np.asarray(vectors.rows(rows), np.float64), k=_NEAR + 1)
    seen = vectors.counts is not None
    lines = []
    for row, answer in zip(rows.tolist(), answers, strict=True):
        near = [(other, cosine) for other, cosine in answer if other != keys[row]][:_NEAR]
        told = ", ".join(
            f'<bdi>{escape(_short(other))}</bdi> <span style="{_SOFT}">{cosine:.2f}</span>'.replace(
                "-0", "−0"
            )
            for other, cosine in near
        )
        count = f'<td style="{_NUMBER}">{int(vectors.counts[row]):,}</td>' if seen else ""  # type: ignore[index]
        name = f"<bdi><b>{escape(_short(keys[row]))}</b></bdi>"
        cells = f'<td style="{_CELL}">{name}</td>{count}<td style="{_CELL}">{told}</td>'
        lines.append(f'<tr style="background:none">{cells}</tr>')
    first = "seen most" if seen else "first"
    head = [(_CELL, first), *([(_NUMBER, "seen")] if seen else []), (_CELL, "nearest, by cosine")]
    heads = "".join(f'<th style="{style};font-weight:400;{_SOFT}">{text}</th>' for style, text in head)
    where = "" if among is vectors else f" among the first {_SEARCHED:,}"
    return (
        '<table style="border-collapse:collapse;border:0;margin:0;font-size:13px;color:inherit">'
        f'<thead><tr style="background:none">{heads.replace("cosine", "cosine" + where)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _cosine(value: float) -> str:
    return f'<span style="{_SOFT}">{value:.2f}</span>'.replace(">-", ">−")


def _short(key: Any) -> str:
    label = key_label(key)
    return label if len(label) <= 2 * _LETTERS else label[: 2 * _LETTERS - 1] + "…"
