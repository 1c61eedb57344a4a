"""A difference of runs as a page in the report's clothes; it needs no script."""

import numpy as np
from numpy.typing import NDArray

from plectrum.report._diff import KeyNote, RunDiff, TableDiff
from plectrum.report._diff_text import alignment_sentence, counts_sentence, percent_change
from plectrum.report._legible import escape, number
from plectrum.report._page import wrap
from plectrum.report._sections import METRICS


def diff_page(found: RunDiff) -> str:
    """Return the whole page."""
    a, b = escape(found.name_a, longest=60), escape(found.name_b, longest=60)
    title = f"What changed from {a} to {b}?"
    remarks = "".join(f"<p>{escape(remark, longest=300)}</p>" for remark in found.remarks)
    only = "".join(
        f"<p>Only {which} has a table for {_listed(names)}.</p>"
        for names, which in ((found.only_a, "A"), (found.only_b, "B"))
        if names
    )
    tables = "".join(_table(i, table) for i, table in enumerate(found.tables))
    body = (
        f'<header class="opening"><p class="overline">plectrum · difference of two runs</p><h1>{title}</h1>'
        f'<div class="answer">{_answer(found)}</div><div class="muted">{remarks}</div></header>'
        f"<main>{_scores(found)}{tables}{only}</main>"
    )
    return wrap(title, body, scripts=())


def _answer(found: RunDiff) -> str:
    """Return the difference in a sentence or two."""
    said = []
    ours = [s for s in found.scores if s["name"] == "plectrum network"] or found.scores
    network = ours[0] if ours else None
    if network and network["a"] is not None and network["b"] is not None:
        name = METRICS.get(network["metric"], network["metric"])
        said.append(
            f"{name} of the {escape(network['name'], longest=60)}: {number(network['a'])}, then "
            f"{number(network['b'])} ({percent_change(network['a'], network['b'])})."
        )
    moved = [(m, t) for t in found.tables for m in t.movers[:1]]
    if moved:
        mover, table = max(moved, key=lambda pair: pair[0].moved)
        said.append(
            f"The furthest mover is <bdi>{escape(mover.label)}</bdi> of "
            f"<bdi>{escape(table.name, longest=60)}</bdi>."
        )
    return " ".join(said)


def _scores(found: RunDiff) -> str:
    if not found.scores:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(s["name"], longest=80)}</th>'
        f'<td class="number">{number(s["a"])}</td>'
        f'<td class="number">{number(s["b"])}</td>'
        f'<td class="number">{percent_change(s["a"], s["b"])}</td></tr>'
        for s in found.scores
    )
    metric = escape(METRICS.get(found.metric or "", found.metric or ""))
    return (
        '<section><h2>Scores on held-out rows</h2><div class="scroll">'
        '<table class="results"><thead><tr>'
        f'<th scope="col">{metric}</th><th scope="col" class="number">A</th>'
        '<th scope="col" class="number">B</th>'
        f'<th scope="col" class="number">change</th></tr></thead><tbody>{lines}</tbody></table></div>'
        "</section>"
    )


def _table(i: int, t: TableDiff) -> str:
    said = escape(_capital(alignment_sentence(t))).replace(" %", "\u00a0%")
    agreement = f"<p>{said}.</p>" if t.n_shared >= 3 else ""
    return (
        '<section class="column"><div class="column-head">'
        f"<h2><bdi>{escape(t.name, longest=80)}</bdi></h2>"
        f'<p class="sizes">{escape(counts_sentence(t))}</p></div>{agreement}{_maps(t, i)}{_movers(t)}'
        f'<div class="notes">{_notes("New", t.new, t.n_new)}{_notes("Gone", t.gone, t.n_gone)}</div>'
        "</section>"
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _maps(t: TableDiff, i: int) -> str:
    """Return B's map with an arrow for each mover, from where A had it; for wide and for narrow windows."""
    if len(t.places) < 2:
        return ""
    return (
        f'<div class="wide">{_map(t, 860, 460, f"tip-{i}")}</div>'
        f'<div class="narrow">{_map(t, 350, 300, f"tip-{i}-narrow")}</div>'
        '<p class="muted">B’s map; an arrow comes from where A, turned onto B, has the level.</p>'
    )


def _map(t: TableDiff, width: int, height: int, tip: str) -> str:
    points = np.concatenate([t.places, t.arrows.reshape(-1, 2)]).astype(float)
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1)
    scale = min((width - 90) / span[0], (height - 50) / span[1])

    def at(places: NDArray[np.float32]) -> list[list[float]]:
        shifted = (places - (low + high) / 2) * [scale, -scale] + [width / 2, height / 2]
        return [[float(x), float(y)] for x, y in shifted]

    dots = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="2.2"/>' for x, y in at(t.places))
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for mover, (x0, y0), (x1, y1) in zip(t.movers, at(t.arrows[:, 0]), at(t.arrows[:, 1]), strict=True):
        parts.append(
            f'<line class="way" x1="{x0:.0f}" y1="{y0:.0f}" x2="{x1:.0f}" y2="{y1:.0f}" '
            f'marker-end="url(#{tip})"/>'
        )
        label = mover.label if len(mover.label) <= 24 else mover.label[:23] + "…"
        box = _room_for(label, x1, y1, to_left=x1 < x0, width=width)
        if not any(box[0] < b[1] and b[0] < box[1] and abs(y1 - b[2]) < 13 for b in taken):
            taken.append(box)
            parts.append(f'<text x="{box[0]:.0f}" y="{y1 + 4:.0f}">{escape(label)}</text>')
    return (
        f'<svg class="still ways" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Where the movers went"><defs><marker id="{tip}" viewBox="0 0 8 8" refX="7" refY="4" '
        f'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>{dots}'
        f"{''.join(parts)}</svg>"
    )


def _room_for(label: str, x: float, y: float, *, to_left: bool, width: int) -> tuple[float, float, float]:
    """Return left, right and middle of a name beside the tip of an arrow, on the side that it points to."""
    length = 7.2 * len(label)
    left = x - 7 - length if (to_left and x > length + 12) or x + length + 12 > width else x + 7
    return left, left + length, y


def _movers(t: TableDiff) -> str:
    if not t.movers:
        return ""

    lines = "".join(
        f'<tr><th scope="row"><bdi>{escape(m.label)}</bdi></th>'
        f'<td class="number" data-name="moved by">{m.moved:.2f}</td>'
        f'<td class="number" data-name="cosine">{f"{m.cosine:.2f}".replace("-", "−")}</td>'
        f'<td class="number" data-name="seen">{number(m.count_a)} → {number(m.count_b)}</td>'
        f'<td data-name="gained"><span>{_listed(m.gained)}</span></td>'
        f'<td data-name="lost"><span>{_listed(m.lost)}</span></td></tr>'
        for m in t.movers
    )
    return (
        '<div class="scroll"><table class="movers stacks"><thead><tr><th scope="col">moved most</th>'
        '<th scope="col" class="number">by</th><th scope="col" class="number">cosine</th>'
        '<th scope="col" class="number">seen</th><th scope="col">neighbours gained</th>'
        f'<th scope="col">neighbours lost</th></tr></thead><tbody>{lines}</tbody></table></div>'
        '<p class="muted">1.00 is as far as two of B’s levels usually are apart.</p>'
    )


def _notes(what: str, notes: list[KeyNote], n: int) -> str:
    if not n:
        return ""
    lines = "".join(f"<p>{_note(note)}</p>" for note in notes)
    more = f"<p>and {number(n - len(notes))} more</p>" if n > len(notes) else ""
    return f'<div class="note"><h3>{what} ({number(n)})</h3>{lines}{more}</div>'


def _note(note: KeyNote) -> str:
    seen = "" if note.count is None else f", seen {number(note.count)}"
    near = _listed(note.nearest)
    return f"<bdi>{escape(note.label)}</bdi>{seen}" + (
        f" <small>beside {near}</small>" if note.nearest else ""
    )


def _listed(labels: list[str]) -> str:
    return ", ".join(f"<bdi>{escape(label, longest=40)}</bdi>" for label in labels) or "–"
