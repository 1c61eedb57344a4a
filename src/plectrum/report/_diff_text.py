"""A difference of runs as text for a terminal, and as JSON types."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from plectrum.report._diff import KeyNote, RunDiff, TableDiff
from plectrum.report._legible import number
from plectrum.report._sections import METRICS
from plectrum.vectors import legible


def diff_dict(found: RunDiff) -> dict[str, Any]:
    """Return the difference as JSON types; keys keep their types as in vectors files."""
    from plectrum.formats import keys_to_json

    record = dataclasses.asdict(found)
    for table in record["tables"]:
        del table["arrows"], table["places"]
        table["kept"] = None if math.isnan(table["kept"]) else table["kept"]
        for name in ("movers", "new", "gone"):
            for row in table[name]:
                row["key"] = keys_to_json([row["key"]])[0]
    return record


def diff_text(found: RunDiff) -> str:
    """Return the difference as lines for a terminal."""
    lines = [f"from {legible(found.name_a)} (A) to {legible(found.name_b)} (B)"]
    lines += found.remarks
    if found.scores:
        lines += [
            "",
            *_aligned(
                [(METRICS.get(found.metric or "", found.metric or ""), "A", "B", "change")], _scores(found)
            ),
        ]
    for table in found.tables:
        lines += ["", *_table_lines(table)]
    for names, which in ((found.only_a, "A"), (found.only_b, "B")):
        if names:
            lines += ["", f"only {which} has a table for: {', '.join(map(legible, names))}"]
    return "\n".join(lines)


def _scores(found: RunDiff) -> list[tuple[str, ...]]:
    return [
        (legible(s["name"]), number(s["a"]), number(s["b"]), percent_change(s["a"], s["b"]))
        for s in found.scores
    ]


def percent_change(a: float | None, b: float | None) -> str:
    """Return by how much b differs from a, as a signed percentage."""
    if not a or b is None:
        return "–"
    text = f"{100 * (b - a) / abs(a):+.1f} %".replace("-", "−")
    return "0 %" if text[1:] == "0.0 %" else text


def _table_lines(t: TableDiff) -> list[str]:
    lines = [f"{legible(t.name)}: {counts_sentence(t)}"]
    if t.n_shared >= 3:
        lines.append("  " + alignment_sentence(t))
    if t.movers:
        rows = [
            (
                m.label,
                f"{m.moved:.2f}",
                f"{m.cosine:.2f}".replace("-", "−"),
                _seen(m.count_a, m.count_b),
                _names(m.gained),
                _names(m.lost),
            )
            for m in t.movers
        ]
        lines += [
            "  " + line for line in _aligned([("moved most", "by", "cosine", "seen", "gained", "lost")], rows)
        ]
        lines.append("  (1.00 is as far as two of B's levels usually are apart)")
    lines += _notes("new", t.new, t.n_new) + _notes("gone", t.gone, t.n_gone)
    return lines


def counts_sentence(t: TableDiff) -> str:
    """Return how many keys each run has."""
    return (
        f"{number(t.n_a)} levels, then {number(t.n_b)}; {number(t.n_shared)} in both, {number(t.n_new)} new, "
        f"{number(t.n_gone)} gone"
    )


def alignment_sentence(t: TableDiff) -> str:
    """Return how well the two tables agree once one is turned onto the other."""
    dims = "" if t.dim_a == t.dim_b else f" (A has {t.dim_a} numbers a level, B {t.dim_b})"
    return (
        f"turned onto B, A explains {100 * t.fit:.0f} % of B's differences{dims}; of each level's {t.k} "
        f"nearest {100 * t.kept:.0f} % stayed, chance would keep {100 * t.chance:.2g} %"
    )


def _notes(what: str, notes: list[KeyNote], n: int) -> list[str]:
    if not notes:
        return []
    shown = "; ".join(
        f"{note.label}{'' if note.count is None else f' (seen {number(note.count)})'}"
        + (f" beside {', '.join(note.nearest)}" if note.nearest else "")
        for note in notes
    )
    more = f"; and {number(n - len(notes))} more" if n > len(notes) else ""
    return [f"  {what}: {shown}{more}"]


def _seen(a: int | None, b: int | None) -> str:
    return f"{number(a)} → {number(b)}"


def _names(labels: list[str], most: int = 3) -> str:
    more = f" +{len(labels) - most}" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more if labels else "–"


def _aligned(heads: Sequence[tuple[str, ...]], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows with their columns one under another."""
    every = [tuple(cell if len(cell) <= 44 else cell[:43] + "…" for cell in row) for row in [*heads, *rows]]
    widths = [max(len(row[i]) for row in every) for i in range(len(every[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    ]
