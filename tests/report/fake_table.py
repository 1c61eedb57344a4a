"""Run folders with a table that a test chooses, beside the ready-made ones of tests/runs/fake_run.py."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from plectrum import formats
from plectrum.formats import Record
from plectrum.runs import Run, open_run, read_run


def make_run_of(
    folder: Path,
    keys: list,
    *,
    name: str = "place",
    kind: str = "columns",
    embedding_dim: int = 6,
    n_snapshots: int = 0,
    seed: int = 0,
    with_target: bool = True,
    columns: dict | None = None,
    **changes,
) -> Run:
    """Write a run with a table of these keys, `columns` beside its vectors and `changes` in the record."""
    rng = np.random.default_rng(seed)
    n = len(keys)
    counts = (4000 / (np.arange(n) + 1)).astype(np.int64) + 3
    matrix = rng.normal(size=(n, embedding_dim)).astype(np.float32)
    start = rng.normal(size=(n, embedding_dim)).astype(np.float32) / 3
    basis = np.linalg.qr(rng.normal(size=(embedding_dim, 2)))[0].astype(np.float32)
    places = matrix @ basis
    middle = matrix.mean(axis=0) if n else np.zeros(embedding_dim, np.float32)
    further = {
        "x": places[:, 0],
        "y": places[:, 1],
        "moved": np.linalg.norm(matrix - start, axis=1).astype(np.float32),
        "n_updates": counts * 4,
    }
    if with_target:
        further |= {"target_mean": 100 + 20 * matrix[:, 0], "effect": 15 * matrix[:, 0]}
    with open_run(folder) as run:
        vectors = run.file_of(name, room="vectors", suffix=".parquet")
        film = run.file_of(name, room="film", suffix=".safetensors") if n_snapshots else None
        rows = Record(
            list(keys), matrix, counts, unknown=middle, missing=-middle, columns=further | (columns or {})
        )
        formats.write(rows, run.path(*vectors.split("/")), format="parquet")
        if film:
            share = np.linspace(0, 1, n_snapshots)[:, None, None]
            paths = ((1 - share) * (start @ basis) + share * places).astype(np.float16)
            save_file({"paths": paths, "rows": np.arange(n)}, run.path(*film.split("/")))
        run.record |= _record(kind, with_target)
        run.record["columns"] = [_column(name, n, embedding_dim, vectors, film)]
        if film:
            snapshots = [{"epoch": float(i), "step": 10 * i} for i in range(n_snapshots)]
            run.record["film"] = {"snapshots": snapshots, "basis": "pca of the final table"}
        run.record |= changes
        run.path("model", "model.json").write_text("{}", encoding="utf-8")
        run.complete()
    return read_run(folder)


def _record(kind: str, with_target: bool) -> dict:
    target = {
        "name": "delay",
        "kind": "regression",
        "metric": "rmse",
        "unit": "minutes",
        "classes": None,
        "mean": 100.0,
    }
    return {
        "kind": kind,
        "estimator": "EmbeddingRegressor",
        "command": ["plectrum", "learn", kind, "data.csv"],
        "seed": 0,
        "data": {
            "name": "data.csv",
            "n_rows": 1000,
            "n_train": 900,
            "n_held_out": 100,
            "split": {"how": "random", "column": None, "share": 0.1},
        },
        "target": target if with_target else None,
    }


def _column(name: str, n: int, dim: int, vectors: str, film: str | None) -> dict:
    return {
        "name": name,
        "kind": "categorical",
        "why": "text",
        "n_levels": n,
        "embedding_dim": dim,
        "n_missing": 3,
        "n_rare": 2,
        "n_unseen_held_out": 5,
        "vectors": vectors,
        "film": film,
    }
