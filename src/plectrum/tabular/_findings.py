"""A sentence or two on what was learned, and what to type next."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from plectrum.tabular._write_run import FEW_ROWS

_MOST_COLUMNS = 5  # more sentences are not read


def find(estimator: Any, columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a sentence for each of the largest tables: the row that moved most, and who is near it now.

    Only rows of the upper half by updates are looked at: a row that was seen twice moves by chance.
    """
    learned = [c for c in columns if c["vectors"] is not None and c["n_levels"] >= 3]
    learned = sorted(learned, key=lambda c: -c["n_levels"])[:_MOST_COLUMNS]
    found = []
    for column in learned:
        name = column["name"]
        vectors, n_updates = estimator.vectors_[name], np.asarray(estimator.n_updates_[name])
        moved = np.where(n_updates >= np.median(n_updates), estimator.moved_[name], -1.0)
        row = int(np.argmax(moved))
        key = vectors.keys[row]
        near = vectors.nearest(key, k=1)
        tail = f"; nearest now: {near[0][0]}" if near else ""
        text = f"{name}: row {str(key)!r} moved {moved[row]:.2f} in {n_updates[row]:,} updates{tail}"
        found.append({"text": text, "column": name, "key": key})
    found += [_rare(column) for column in learned if column["n_rare"] > column["n_levels"] / 5]
    return found


def _rare(column: dict[str, Any]) -> dict[str, Any]:
    name, n_rare, n_levels = column["name"], column["n_rare"], column["n_levels"]
    few = f"{name}: {n_rare:,} of {n_levels:,} levels have fewer than {FEW_ROWS} rows"
    return {"text": f"{few}; do not read meaning into where these stand", "column": name}


def suggest_next(folder: Path, estimator: Any, columns: list[dict[str, Any]], name: str) -> list[str]:
    """Return commands that make sense after this run, as they can be typed."""
    run = shlex.quote(str(folder))
    learned = [c["name"] for c in columns if c["vectors"] is not None and c["n_levels"] >= 3]
    commands = []
    if learned:
        column = max(learned, key=lambda c: len(estimator.vectors_[c]))
        vectors = estimator.vectors_[column]
        key = vectors.keys[int(np.argmax(vectors.counts))]
        shared = sum(key in estimator.vectors_[other] for other in learned) > 1
        where = f" --column {shlex.quote(column)}" if shared else ""
        commands.append(f"plectrum near {run} {shlex.quote(str(key))}{where}")
    new = "new.parquet" if name.endswith(".parquet") else "new.csv"
    return [*commands, f"plectrum predict {run} {new} --out predicted.csv"]
