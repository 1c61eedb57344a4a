"""What was learned, into the run folder: a Parquet file and a film per table, and a record per column."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from plectrum import formats
from plectrum.runs import RunWriter
from plectrum.tabular._effects import level_effects

_FIRST_KEY = 3  # rows of a table before its keys: padding, unknown, missing
FEW_ROWS = 5  # a level with fewer rows than this is called rare


def write_columns(
    run: RunWriter, estimator: Any, split: Any
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Write vectors and films; return the records of the columns, and that of the film."""
    plan = estimator.columns_
    coverage = {seen.column: seen for seen in estimator.coverage(split.held_out)}
    ids, numbers, in_training = plan.encode(split.train)
    n_missing = {seen.column: seen.n_missing for seen in in_training}
    records = []
    for source in split.train.columns:
        kind, why = plan.kinds.get(source, ("ignored", "left out"))
        tables = [(j, column) for j, column in enumerate(plan.tables) if column.source == source]
        if not any(column.name == source for _, column in tables):
            records.append(_plain_record(source, kind, why, split))
        for j, column in tables:
            record = _record(column.name, *_part_of(column, kind, why))
            counts = np.asarray(column.vocabulary.counts)
            record |= {
                "n_levels": len(column.vocabulary),
                "embedding_dim": column.embedding_dim,
                "n_missing": n_missing.get(column.name, 0) + coverage[column.name].n_missing,
                "n_rare": int((counts < FEW_ROWS).sum()),
                "n_unseen_held_out": coverage[column.name].n_unseen,
            }
            means = _target_means(ids[:, j], split, len(counts))
            effects = level_effects(estimator, ids, numbers, j)
            record |= _write_table(run, estimator, column, means, effects)
            records.append(record)
    return records, _film_record(estimator)


def _part_of(column: Any, kind: str, why: str) -> tuple[str, str]:
    if column.name == column.source:
        return kind, why
    return "categorical", f"a calendar part of {column.source}"


def _record(name: str, kind: str, why: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "why": why,
        "n_levels": 0,
        "embedding_dim": None,
        "n_missing": 0,
        "n_rare": 0,
        "n_unseen_held_out": 0,
        "vectors": None,
        "film": None,
    }


def _plain_record(name: str, kind: str, why: str, split: Any) -> dict[str, Any]:
    """The record of a column that has no table of its own."""
    values, held_out = split.train[name], split.held_out[name]
    n_missing = int(values.null_count()) + int(held_out.null_count())
    n_levels = int(values.drop_nulls().n_unique())
    return _record(name, kind, why) | {"n_levels": n_levels, "n_missing": n_missing}


def _target_means(rows: NDArray[np.int64], split: Any, n_keys: int) -> NDArray[np.float64]:
    """Return the mean of the target over the training rows of each key, NaN for a key without any."""
    n_rows = n_keys + _FIRST_KEY
    target = np.asarray(split.train_target, np.float64)
    counts = np.bincount(rows, minlength=n_rows)
    with np.errstate(invalid="ignore"):
        means = np.bincount(rows, weights=target, minlength=n_rows) / counts
    return means[_FIRST_KEY:]


def _write_table(
    run: RunWriter,
    estimator: Any,
    column: Any,
    target_means: NDArray[np.float64],
    effects: NDArray[np.float64] | None,
) -> dict[str, Any]:
    """Write the vectors and the film of one table; return where they are."""
    import pyarrow as pa

    name, vectors = column.name, estimator.vectors_[column.name]
    centre, axes = plane_of(vectors.matrix)
    xy = (np.asarray(vectors.matrix, np.float32) - centre) @ axes
    path = run.file_of(name, room="vectors", suffix=".parquet")
    record = formats.Record(
        list(vectors.keys), vectors.matrix, vectors.counts, vectors.unknown, vectors.missing
    )
    formats.write(
        record,
        run.path(*path.split("/")),
        columns={
            "x": xy[:, 0],
            "y": xy[:, 1],
            "moved": np.asarray(estimator.moved_[name], np.float32),
            "n_updates": np.asarray(estimator.n_updates_[name], np.int64),
            "target_mean": pa.array(target_means, from_pandas=True),
        }
        | ({} if effects is None else {"effect": pa.array(effects, from_pandas=True)}),
    )
    film = estimator.films_.get(name)
    if film is None:
        return {"vectors": path, "film": None}
    film_path = run.file_of(name, room="film", suffix=".safetensors")
    rows = np.asarray(film.rows) - _FIRST_KEY
    paths = np.ascontiguousarray(film.paths(centre, axes).astype(np.float16))
    save_file({"paths": paths, "rows": rows.astype(np.int64)}, run.path(*film_path.split("/")))
    return {"vectors": path, "film": film_path}


def plane_of(matrix: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the centre (dim,) of the rows and their first two principal axes (dim, 2).

    The largest number of each axis is positive, so that two computers draw the same map. A table of one
    dimension, or of one row, has a second axis of zeros.
    """
    values = np.asarray(matrix, np.float64)
    centre = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
    shifted = values - centre
    _, vectors = np.linalg.eigh(shifted.T @ shifted)
    axes = np.zeros((values.shape[1], 2))
    kept = min(2, values.shape[1])
    axes[:, :kept] = vectors[:, ::-1][:, :kept]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return centre.astype(np.float32), (axes * np.where(signs == 0, 1, signs)).astype(np.float32)


def _film_record(estimator: Any) -> dict[str, Any] | None:
    if not estimator.films_:
        return None
    film = next(iter(estimator.films_.values()))
    return {
        "snapshots": [
            {"epoch": float(epoch), "step": int(step)}
            for epoch, step in zip(film.epochs, film.steps, strict=True)
        ],
        "basis": "pca of the final table",
    }
