"""The section of one table: its map, its film, the card of a row, its axes, its rare rows."""

from typing import Any

import numpy as np

from plectrum.report._curves import still_maps
from plectrum.report._legible import escape, number
from plectrum.report._measure import (
    FEW_TIMES,
    Axis,
    Honesty,
    describe_axes,
    neighbour_list,
    rare_levels,
)
from plectrum.report._tables import MAPS, Table
from plectrum.vectors import legible

_LITTLE = 0.15  # of the neighbours, kept by the flat map
_NOUNS = {"words": "word", "items": "item", "nodes": "node"}


def noun_of(kind: str, table: str) -> str:
    """Return what one row of a table is called: a level, a word, an item, a user, a node."""
    if kind == "items" and table.rstrip("s") in {"user", "item"}:
        return table.rstrip("s")
    return _NOUNS.get(kind, "level")


def measure_name(name: str, target: str | None) -> str:
    """Return the name of a measure as the page says it."""
    names = {
        "count": "how often it was seen",
        "n_updates": "number of updates",
        "moved": "distance moved",
        "target_mean": f"mean of {target}" if target else "mean of the target",
        "effect": f"effect on {target}" if target else "effect on the prediction",
    }
    return names.get(name) or legible(name, longest=60)


def column_section(i: int, table: Table, honesty: Honesty | None, record: Any, packed: str) -> str:
    """Return the section of one table, HTML; `packed` is what `pack_table` made of it."""
    noun = noun_of(record["kind"], table.name)
    target = (record.get("target") or {}).get("name")
    name = escape(table.name, longest=80)
    rare = _rare(table, noun, is_column=record["kind"] == "columns")
    return (
        f'<section class="column" id="column-{i}" data-noun="{noun}" aria-labelledby="name-{i}">'
        f'<div class="column-head"><h2 id="name-{i}"><bdi>{name}</bdi></h2>{_sizes(table, noun)}</div>'
        f"{_honesty_line(honesty, table, noun)}{_live(i, table, noun)}"
        f"<noscript>{still_maps(table)}{_neighbour_table(table, noun)}</noscript>"
        f'<div class="notes">{_axes(table, target)}{rare}</div>'
        f'<script type="text/plain" id="packed-{i}">{packed}</script></section>'
    )


def _sizes(table: Table, noun: str) -> str:
    n, dim = len(table.labels) + table.n_left_out, table.vectors.shape[1]
    parts = [f"{number(n)} {noun}{'s' if n != 1 else ''}", f"{dim} number{'s' if dim != 1 else ''} each"]
    counts = table.counts[np.isfinite(table.counts)]
    if len(counts):
        middle, most = number(round(float(np.median(counts)))), number(int(counts.max()))
        parts.append(f"a typical one seen {middle} times, the commonest {most}")
    if table.n_left_out:
        parts.append(f"the {number(len(table.labels))} seen most are shown")
    return f'<p class="sizes">{" · ".join(parts)}</p>'


def _honesty_line(honesty: Honesty | None, table: Table, noun: str) -> str:
    if honesty is None:
        return ""
    rows = "" if honesty.n_rows == len(honesty.kept) else f", measured on {number(honesty.n_rows)} of them"
    map_ = "flat map" if table.drawn_by == "pca" else f"map by {MAPS[table.drawn_by]}"
    near = f"{honesty.k} nearest neighbours" if honesty.k > 1 else "nearest neighbour"
    return (
        f'<p class="honesty">Of each {noun}’s {near} in all dimensions the {map_} keeps '
        f"<strong>{_percent(honesty.share)}</strong>{rows}; chance would keep {_percent(honesty.chance)}."
        f"{_hint(honesty, table)}</p>"
    )


def _hint(honesty: Honesty, table: Table) -> str:
    """Return the way to a map that keeps more, where this one keeps little and another is made in minutes."""
    if table.drawn_by != "pca" or honesty.share > _LITTLE or not 50 <= len(table.labels) <= 20_000:
        return ""
    return (
        ' <span class="muted">A map that bends often keeps more: <code>plectrum report RUN --map tsne</code>.'
        "</span>"
    )


def _percent(share: float) -> str:
    """Return a share with two digits that count."""
    percent = 100 * share
    return f"{percent:.0f}\u00a0%" if percent >= 10 or percent == 0 else f"{percent:.2g}\u00a0%"


def _live(i: int, table: Table, noun: str) -> str:
    """Return the part that needs JavaScript; hidden where there is none."""
    name = escape(table.name, longest=80)
    film = (
        '<div class="film"><button type="button" class="play" aria-label="Play the film of training">▶'
        "</button>"
        f'<input type="range" class="scrub" min="0" max="{len(table.epochs) - 1}" step="any" '
        f'value="{len(table.epochs) - 1}" aria-label="Moment of training"><output></output></div>'
        if table.frames is not None and len(table.epochs) > 1
        else ""
    )
    return (
        '<div class="live"><div class="pane"><div class="bar-top">'
        f'<div class="search"><input type="search" role="combobox" aria-expanded="false" '
        f'aria-controls="found-{i}" aria-autocomplete="list" placeholder="Find a {noun}" '
        f'aria-label="Find a {noun}" spellcheck="false" autocomplete="off">'
        f'<ul id="found-{i}" role="listbox" hidden></ul></div>'
        '<label>colour <select class="colour"></select></label>'
        '<label>size <select class="size"></select></label></div>'
        f'<div class="map"><canvas tabindex="0" role="application" aria-label="Map of {name}. Arrow keys go '
        f'from {noun} to {noun}, plus and minus zoom, 0 shows all, slash searches, space plays the film." '
        f'aria-describedby="card-{i}"></canvas><div class="tip" hidden></div><div class="zoom">'
        '<button type="button" data-zoom="in" aria-label="Zoom in">+</button>'
        '<button type="button" data-zoom="out" aria-label="Zoom out">−</button>'
        '<button type="button" data-zoom="all" aria-label="Show all">⤢</button></div></div>'
        f'<div class="legend"></div>{film}</div>'
        f'<aside class="card" id="card-{i}" aria-live="polite"></aside></div>'
    )


def _axes(table: Table, target: str | None) -> str:
    if table.drawn_by != "pca":
        return (
            '<div class="note"><h3>How to read this map</h3><p>'
            f"{MAPS[table.drawn_by]} puts neighbours side by side. Its directions mean nothing, and neither "
            "do the sizes of groups and the gaps between them.</p></div>"
        )
    axes = describe_axes(table)
    if not axes:
        return ""
    return (
        '<div class="note"><h3>What the axes mean</h3>'
        + "".join(
            _axis(words, axis, target)
            for words, axis in zip((("left", "right"), ("bottom", "top")), axes, strict=True)
        )
        + "</div>"
    )


def _axis(ends: tuple[str, str], axis: Axis, target: str | None) -> str:
    arrow = "↔" if ends[0] == "left" else "↕"
    tracks = ", ".join(
        f"<bdi>{escape(measure_name(name, target), longest=60)}</bdi> "
        f'<span class="correlation">{value:+.2f}</span>'.replace("-", "−")
        for name, value in axis.tracks
    )
    goes = f"goes with {tracks}" if tracks else "goes with nothing that was measured"
    low, high = (
        ", ".join(f"<bdi>{escape(label, longest=24)}</bdi>" for label in end) for end in (axis.low, axis.high)
    )
    return (
        f'<p><span class="arrow">{arrow}</span> {_percent(axis.variance)} of the differences; {goes}.'
        f"<br><small>{ends[0]}: {low}<br>{ends[1]}: {high}</small></p>"
    )


def _rare(table: Table, noun: str, *, is_column: bool) -> str:
    """Return the rarest rows, and what became of the unseen and the missing."""
    record = table.record
    n_few, rarest = rare_levels(table)
    facts = [
        f"{number(n_few)} {noun}{'s' if n_few != 1 else ''} seen fewer than {FEW_TIMES} times: read no "
        "meaning into their places."
        if n_few
        else f"Every {noun} was seen at least {FEW_TIMES} times."
        if rarest
        else ""
    ]
    specials = {name for name, _ in table.specials}
    facts += _unseen_and_missing(record, noun, specials) if is_column else []
    items = "".join(
        f'<li><bdi>{escape(label, longest=40)}</bdi> <span class="count">{number(count)}</span></li>'
        for label, count in rarest
    )
    listed = f'<p class="small-head">Seen least</p><ul class="rarest">{items}</ul>' if items else ""
    sentences = "".join(f"<p>{fact}</p>" for fact in facts if fact)
    head = "Rare, unseen, missing" if is_column else "Rare"
    return f'<div class="note"><h3>{head}</h3>{sentences}{listed}</div>'


def _unseen_and_missing(record: dict[str, Any], noun: str, specials: set[str]) -> list[str]:
    facts = []
    unseen, missing = record.get("n_unseen_held_out"), record.get("n_missing")
    if unseen is not None:
        facts.append(
            f"{number(unseen)} held-out rows had a {noun} that training never saw"
            + ("; they got the vector marked ◇ unseen." if "unseen" in specials else ".")
            if unseen
            else f"No {noun} of the held-out rows was new."
        )
    if missing is not None:
        facts.append(
            f"{number(missing)} values were missing"
            + ("; they share the vector marked ◇ missing." if "missing" in specials else ".")
            if missing
            else "No value was missing."
        )
    return facts


def _neighbour_table(table: Table, noun: str) -> str:
    """Return the neighbours of the rows seen most, for readers without JavaScript."""
    lines = "".join(
        f'<tr><th scope="row"><bdi>{escape(table.labels[row])}</bdi></th><td>'
        + ", ".join(
            f"<bdi>{escape(label)}</bdi> ({cosine:.2f}, seen {number(count)})".replace("-", "−")
            for label, cosine, count in neighbour_list(table, row)
        )
        + "</td></tr>"
        for row in range(min(10, len(table.labels)))
    )
    caption = f"Nearest in all dimensions, of the {noun}s seen most"
    listed = f"<table><caption>{caption}</caption><tbody>{lines}</tbody></table>"
    return f'<div class="scroll">{listed}</div>'
