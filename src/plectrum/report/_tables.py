"""From a run folder to what the page shows of each table: labels, vectors, places on the map, the film."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.runs import Run
from plectrum.vectors import Vectors, key_labels, legible

Floats = NDArray[np.float32]

# Columns of vectors/<column>.parquet with a meaning of their own; whatever else is there can colour the map.
KNOWN = ("count", "n_updates", "moved", "target_mean", "effect")
_PLACES = ("key", "vector", "x", "y")
_MOST_EXTRAS = 12
MOST_ROWS = 60_000  # a page carries
_FEWEST_REDRAWN = 10


MAPS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}  # what `Vectors.project` knows, and what it is called


@dataclass
class Table:
    """One learned table, its rows from the most seen to the least.

    ``measures`` maps a name to one number a row, NaN where there is none; ``groups`` maps a name to the
    categories and the category of each row (-1 for none).
    """

    name: str
    record: dict[str, Any]
    labels: list[str]
    vectors: Floats  # (n, dim)
    places: Floats  # (n, 2), on the film's basis
    measures: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    groups: dict[str, tuple[list[str], NDArray[np.int64]]] = field(default_factory=dict)
    specials: list[tuple[str, Floats]] = field(
        default_factory=list
    )  # the unknown and the missing row: name, vector
    frames: Floats | None = None  # (n_snapshots, n_filmed, 2)
    film_rows: NDArray[np.int64] | None = None  # (n_filmed,) ascending: which rows the film has
    epochs: list[float] = field(default_factory=list)  # of each frame; NaN for the table that was kept
    n_left_out: int = 0  # rows, the least seen, that the page has no room for
    keys: list[Any] = field(default_factory=list)
    drawn_by: str = "pca"  # what made the places

    @property
    def counts(self) -> NDArray[np.float64]:
        """How often each row was seen; NaN where that is not known."""
        return self.measures.get("count", np.full(len(self.labels), np.nan))


def read_tables(run: Run) -> list[Table]:
    """Return the tables of a run, in the order of its record; columns without vectors are left out."""
    record: Any = run.record
    tables = []
    for column in record["columns"]:
        if column.get("vectors"):
            film = column.get("film")
            tables.append(
                read_table(
                    column,
                    run.folder / column["vectors"],
                    run.folder / film if film else None,
                    snapshots=(record.get("film") or {}).get("snapshots", []),
                )
            )
    return tables


def read_table(
    column: dict[str, Any],
    path: Path,
    film: Path | None = None,
    *,
    snapshots: list[dict[str, Any]] | None = None,
    most_rows: int = MOST_ROWS,
) -> Table:
    """Return one table from its Parquet file and, where there is one, its film."""
    from plectrum import formats

    record = formats.read(path)
    matrix = np.asarray(record.floats(), np.float32)
    measures, groups, given = _read_columns(path)
    if record.counts is not None:
        measures["count"] = np.asarray(record.counts, np.float64)
    order = np.argsort(-measures["count"], kind="stable") if "count" in measures else np.arange(len(matrix))
    places = given if given is not None else principal_places(matrix)
    n_left_out, order = max(0, len(order) - most_rows), order[:most_rows]
    keys = [record.keys[i] for i in order]
    table = Table(
        name=column["name"],
        record=column,
        labels=key_labels(keys),
        vectors=matrix[order],
        places=places[order],
        measures={name: values[order] for name, values in measures.items()},
        groups={name: (names, codes[order]) for name, (names, codes) in groups.items()},
        specials=[
            (name, np.asarray(vector, np.float32))
            for name, vector in (("unseen", record.unknown), ("missing", record.missing))
            if vector is not None and (name == "unseen" or column.get("n_missing") != 0)  # none, none learned
        ],
        n_left_out=n_left_out,
        keys=keys,
    )
    if film is not None and film.is_file():
        _add_film(table, film, order, snapshots or [])
    return table


def _read_columns(
    path: Path,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, tuple[list[str], NDArray[np.int64]]], Floats | None]:
    """Return the numbers, the categories and the places that stand beside the vectors."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = [name for name in pq.read_schema(path).names if name not in ("key", "vector")]
    frame = pq.read_table(path, columns=names)
    measures: dict[str, NDArray[np.float64]] = {}
    groups: dict[str, tuple[list[str], NDArray[np.int64]]] = {}
    for name in names:
        values = frame[name].combine_chunks()
        kind = values.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            measures[name] = np.asarray(
                pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False), np.float64
            )
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
            coded = pc.cast(values, pa.string()).dictionary_encode()
            codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
            groups[name] = _largest([legible(text) for text in coded.dictionary.to_pylist()], codes)
    x, y = measures.pop("x", None), measures.pop("y", None)
    places = None if x is None or y is None else np.stack([x, y], axis=1).astype(np.float32)
    extras = [name for name in measures if name not in KNOWN]
    for name in extras[_MOST_EXTRAS:]:
        del measures[name]
    return measures, groups, places


def _largest(
    names: list[str], codes: NDArray[np.int64], most: int = 8
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the categories with at most `most` of them by name, the smaller ones as one."""
    if len(names) <= most:
        return names, codes
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    kept = np.argsort(-sizes, kind="stable")[: most - 1]
    new = np.full(len(names) + 1, most - 1)
    new[kept] = np.arange(most - 1)
    new[-1] = -1
    return [*(names[i] for i in kept), f"{len(names) - most + 1:,} others"], new[codes]


def principal_places(matrix: Floats) -> Floats:
    """Return the rows on the two directions in which they differ most (PCA), (n, 2)."""
    centred = matrix - matrix.mean(axis=0, keepdims=True) if len(matrix) else matrix
    if min(matrix.shape) == 0:
        return np.zeros((len(matrix), 2), np.float32)
    _, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)  # ascending
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)
    places = centred @ axes
    return np.pad(places, ((0, 0), (0, 2 - places.shape[1]))).astype(np.float32)


def redrawn(table: Table, method: str) -> Table:
    """Return the table with its rows placed by t-SNE or UMAP.

    Such a map has no axes on which other moments of the training, or the unseen and the missing row, have a
    place: it goes without them. A table of fewer than 10 rows is left as it is.
    """
    if method == "pca" or len(table.labels) < _FEWEST_REDRAWN:
        return table
    places = Vectors(range(len(table.vectors)), table.vectors).project(method).astype(np.float32)
    return replace(table, places=places, drawn_by=method, specials=[], frames=None, film_rows=None, epochs=[])


def basis_of(table: Table) -> tuple[Floats, Floats]:
    """Return ``axes`` (dim, 2) and ``offset`` (2,) with ``vectors @ axes + offset`` closest to the places."""
    n = len(table.vectors)
    inputs = np.column_stack([table.vectors.astype(np.float64), np.ones(n)])
    solved = np.linalg.lstsq(inputs, table.places.astype(np.float64), rcond=None)[0]
    return solved[:-1].astype(np.float32), solved[-1].astype(np.float32)


def _add_film(table: Table, path: Path, order: NDArray[np.int64], snapshots: list[dict[str, Any]]) -> None:
    """Put the film into the table, rows in the table's order, the kept table as its last frame."""
    from safetensors.numpy import load_file

    tensors = load_file(path)
    paths, rows = tensors["paths"], tensors.get("rows")
    frames = _as_floats(paths, path)
    rows = np.arange(frames.shape[1]) if rows is None else rows.astype(np.int64)
    at = np.full(int(max(order.max(initial=-1), rows.max(initial=-1))) + 1, -1)
    at[rows] = np.arange(len(rows))
    filmed = np.flatnonzero(at[order] >= 0)
    if len(filmed) == 0 or len(frames) == 0:
        return
    kept = frames[:, at[order[filmed]]]
    epochs = [float(s.get("epoch", i)) for i, s in enumerate(snapshots[: len(kept)])]
    epochs += [float(i) for i in range(len(epochs), len(kept))]
    final = table.places[None, filmed]
    spread = float(np.abs(final).max(initial=0)) or 1.0
    if (
        np.abs(kept[-1:] - final).max(initial=0) > 0.02 * spread
    ):  # training went on past the table that was kept
        kept, epochs = np.concatenate([kept, final]), [*epochs, float("nan")]
    table.frames, table.film_rows, table.epochs = kept.astype(np.float32), filmed, epochs


def _as_floats(paths: NDArray[Any], path: Path) -> Floats:
    """Return film coordinates as floats; whole numbers are steps of the scale in the file's metadata."""
    if paths.dtype.kind == "f":
        return paths.astype(np.float32)
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        notes = file.metadata() or {}
    return paths.astype(np.float32) * np.float32(json.loads(notes.get("scale", "1")))
