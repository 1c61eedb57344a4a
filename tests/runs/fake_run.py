"""A run folder of any size that looks as if a training had written it, for tests of readers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from plectrum.runs import Run, open_run, read_run


def make_fake_run(
    folder: Path,
    *,
    levels: dict[str, int] | None = None,
    embedding_dim: int = 8,
    n_snapshots: int = 12,
    n_epochs: int = 9,
    target_kind: str = "regression",
    seed: int = 0,
) -> Run:
    """Write a complete run folder with a column of vectors per entry of `levels` (name -> number of keys)."""
    levels = {"dest": 105, "carrier": 16} if levels is None else levels
    rng = np.random.default_rng(seed)
    snapshots = np.linspace(0, n_epochs, n_snapshots)
    with open_run(folder) as run:
        record = run.record
        record |= {
            "kind": "columns",
            "estimator": "EmbeddingRegressor" if target_kind == "regression" else "EmbeddingClassifier",
            "command": [
                "plectrum",
                "learn",
                "columns",
                "flights.csv",
                "--target",
                "air_time",
                "--out",
                "flights",
            ],
            "seed": seed,
            "data": {
                "name": "flights.csv",
                "n_rows": 10_000,
                "n_train": 9_000,
                "n_held_out": 1_000,
                "split": {"how": "group", "column": "date", "share": 0.1},
            },
            "target": _target(target_kind),
            "verdict": "The vectors were worth it: the network's error is 12% below the best baseline's.",
            "next": ["plectrum near flights JFK", "plectrum predict flights new.csv"],
            "film": {
                "snapshots": [{"epoch": float(e), "step": round(36 * e)} for e in snapshots],
                "basis": "pca of the final table",
            },
        }
        metric = record["target"]["metric"]
        record["results"] = _results(metric, rng)
        record["history"] = [
            {
                "epoch": e + 1,
                "train_loss": 0.9 * 0.7**e + 0.05,
                "valid_loss": 0.9 * 0.75**e + 0.08,
                "learning_rate": 1e-3 * (1 - e / n_epochs),
                "seconds": 1.3 * (e + 1),
            }
            for e in range(n_epochs)
        ]
        record["columns"] = [
            _write_column(run, n, k, embedding_dim, n_snapshots, rng) for n, k in levels.items()
        ]
        record["columns"] += [
            _plain_column("hour", "numeric", "19 different numbers between 5 and 23"),
            _plain_column("note", "ignored", "every row has the same value"),
        ]
        record["findings"] = [
            {"text": f"row '{c}' moved 0.83 in 4,112 updates", "column": c, "key": "key 1"} for c in levels
        ]
        run.path("model", "model.json").write_text("{}", encoding="utf-8")
        run.complete()
    return read_run(folder)


def _target(kind: str) -> dict:
    if kind == "regression":
        return {
            "name": "air_time",
            "kind": kind,
            "metric": "rmse",
            "unit": None,
            "classes": None,
            "mean": 150.6,
        }
    classes = ["no", "yes"] if kind == "binary" else ["high", "low", "middle"]
    mean = 0.24 if kind == "binary" else None
    return {
        "name": "late",
        "kind": kind,
        "metric": "log_loss",
        "unit": None,
        "classes": classes,
        "mean": mean,
    }


def _results(metric: str, rng: np.random.Generator) -> list[dict]:
    rows = [
        ("constant", "constant", 93.1, None),
        ("one-hot + linear", "linear", 13.9, None),
        ("target encoding + boosting", "boosting", 12.4, None),
        ("boosting, native categories", "boosting", 12.2, "rare levels of tailnum pooled: 255 is the limit"),
        ("plectrum network", "network", 11.0, None),
        ("boosting on plectrum's vectors", "vectors", 11.2, None),
    ]
    return [
        {
            "name": name,
            "role": role,
            "scores": {metric: value, "r2": 1 - (value / 93.1) ** 2},
            "fit_seconds": float(rng.uniform(0.1, 20)),
            "note": note,
        }
        for name, role, value, note in rows
    ]


def _plain_column(name: str, kind: str, why: str) -> dict:
    return {
        "name": name,
        "kind": kind,
        "why": why,
        "n_levels": 19 if kind == "numeric" else 1,
        "embedding_dim": None,
        "n_missing": 0,
        "n_rare": 0,
        "n_unseen_held_out": 0,
        "vectors": None,
        "film": None,
    }


def _write_column(run, name: str, n: int, dim: int, n_snapshots: int, rng: np.random.Generator) -> dict:
    counts = np.sort(rng.zipf(1.5, n).clip(1, 5_000))[::-1].astype(np.int64)
    clusters = rng.normal(size=(max(2, n // 20), dim))
    matrix = (clusters[rng.integers(len(clusters), size=n)] + 0.3 * rng.normal(size=(n, dim))).astype(
        np.float32
    )
    start = rng.normal(size=(n, dim)).astype(np.float32) / np.sqrt(dim)
    centre = matrix.mean(axis=0)
    basis = np.linalg.svd(matrix - centre, full_matrices=False)[2][:2]
    if len(basis) < 2:
        basis = np.vstack([basis, np.zeros((2 - len(basis), dim), np.float32)])
    xy = (matrix - centre) @ basis.T
    vectors, film = (
        run.file_of(name, room="vectors", suffix=".parquet"),
        run.file_of(name, room="film", suffix=".safetensors"),
    )
    frame = pa.table(
        {
            "key": pa.array([f"key {i}" for i in range(n)]),
            "count": pa.array(counts),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), dim),
            "x": pa.array(xy[:, 0]),
            "y": pa.array(xy[:, 1]),
            "moved": pa.array(np.linalg.norm(matrix - start, axis=1)),
            "n_updates": pa.array(counts * 9),
            "target_mean": pa.array(150 + 50 * matrix[:, 0], type=pa.float64()),
        }
    )
    pq.write_table(frame, run.path(*vectors.split("/")))
    kept = np.arange(min(n, 2_000), dtype=np.int64)
    share = np.linspace(0, 1, n_snapshots)[:, None, None]
    paths = (1 - share) * ((start - centre) @ basis.T)[None, kept] + share * xy[None, kept]
    save_file({"paths": paths.astype(np.float16), "rows": kept}, run.path(*film.split("/")))
    return _plain_column(name, "categorical", f"text with {n} different values") | {
        "n_levels": n,
        "embedding_dim": dim,
        "n_rare": int((counts < 5).sum()),
        "vectors": vectors,
        "film": film,
    }
