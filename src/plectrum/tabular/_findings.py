"""A sentence or two on what was learned, and what to type next."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from plectrum.tabular._write_run import FEW_ROWS

_MOST_COLUMNS = 5  # more sentences are not read


def find(estimator: Any, columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a sentence for each of the largest tables: the row that moved most, and who is near it now.

    Only rows with data enough are looked at: the most frequent ones, which together have half of the data, as
    far as they were seen five times. Tables of which more than a fifth of the levels are rarer than that are
    named in a last sentence.
    """
    learned = [c for c in columns if c["vectors"] is not None and c["n_levels"] >= 3]
    learned = sorted(learned, key=lambda c: -c["n_levels"])[:_MOST_COLUMNS]
    found = [finding for column in learned for finding in _most_moved(estimator, column["name"])]
    return found + _mostly_rare([c for c in learned if c["n_rare"] > c["n_levels"] / 5])


def _most_moved(estimator: Any, name: str) -> list[dict[str, Any]]:
    vectors, n_updates = estimator.vectors_[name], np.asarray(estimator.n_updates_[name])
    falling = np.sort(vectors.counts)[::-1]
    enough = falling[int(np.searchsorted(np.cumsum(falling), falling.sum() / 2))]
    tells = vectors.counts >= max(enough, FEW_ROWS)
    if not tells.any():
        return []
    moved = np.where(tells, estimator.moved_[name], -1.0)
    row = int(np.argmax(moved))
    key, near = vectors.keys[row], vectors.nearest(vectors.keys[row], k=1)
    distance = f"{moved[row]:.2f}" if moved[row] >= 0.1 else f"{moved[row]:.2g}"
    tail = f"; nearest now: {near[0][0]}" if near else ""
    text = f"{name}: row {str(key)!r} moved {distance} in {n_updates[row]:,} updates{tail}"
    return [{"text": text, "column": name, "key": key}]


def _mostly_rare(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not columns:
        return []
    shares = [f"{c['n_rare']:,} of the {c['n_levels']:,} levels of {c['name']}" for c in columns]
    text = f"{', '.join(shares)} have fewer than {FEW_ROWS} rows: do not read meaning into where they stand"
    return [{"text": text, "column": columns[0]["name"] if len(columns) == 1 else None}]


def suggest_next(folder: Path, estimator: Any, columns: list[dict[str, Any]], name: str) -> list[str]:
    """Return commands that make sense after this run, as they can be typed."""
    run = shlex.quote(str(folder))
    learned = [c["name"] for c in columns if c["vectors"] is not None and c["n_levels"] >= 3]
    commands = []
    if learned:
        sources = {table.name for table in estimator.columns_.tables if table.name == table.source}
        column = max(learned, key=lambda c: (c in sources, len(estimator.vectors_[c])))
        vectors = estimator.vectors_[column]
        key = vectors.keys[int(np.argmax(vectors.counts))]
        shared = sum(key in estimator.vectors_[other] for other in learned) > 1
        where = f" --column {shlex.quote(column)}" if shared else ""
        commands.append(f"plectrum near {run} {shlex.quote(str(key))}{where}")
    new = "new.parquet" if name.endswith(".parquet") else "new.csv"
    return [*commands, f"plectrum predict {run} {new} --out predicted.csv"]
