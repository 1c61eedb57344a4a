"""A text into a run folder: all of it but the page."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from plectrum import formats
from plectrum.runs import RunWriter
from plectrum.text._corpus import Source
from plectrum.vectors import Vectors

_NAME = "words"
_N_FINDINGS = 5
_SKIPPED = 200  # the most frequent words say little about a text


def learn_words(
    text: Source, *, estimator: Any, run: RunWriter, name: str, column: str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Fit `estimator` on a text and write what it learned into a run folder; return the record.

    Writes ``model/``, ``vectors/words.parquet`` and all fields of the record; the caller completes the run
    and renders the page.

    Parameters
    ----------
    text : path or iterable of lists of words
    estimator : Word2Vec, FastText or GloVe
        Not yet fitted.
    run : RunWriter
    name : str
        What the text is called in the record.
    column : str, optional
        Of a Parquet or CSV file.
    seed : int
        What `estimator` was given as random_state.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from plectrum import Word2Vec
    >>> from plectrum.runs import open_run
    >>> with open_run(pathlib.Path(tempfile.mkdtemp()) / "run") as run:
    ...     record = learn_words([["a", "b"]] * 9, estimator=Word2Vec(epochs=1), run=run, name="example")
    >>> record["columns"][0]["n_levels"], sorted(p.name for p in run.partial.iterdir() if p.is_dir())
    (2, ['model', 'vectors'])
    """
    model = estimator.fit(text, column=column)
    vectors = model.vectors_
    model.save_model(run.path("model"))
    path = run.file_of(_NAME, room="vectors", suffix=".parquet")
    write_vectors(vectors, run.path(*path.split("/")))
    run.record |= {
        "kind": "words",
        "estimator": type(model).__name__,
        "seed": seed,
        "data": {
            "name": name,
            "n_rows": model.n_words_,
            "n_train": model.n_words_,
            "n_held_out": 0,
            "split": {"how": "random", "column": None, "share": 0.0},
        },
        "columns": [_column_record(model, path)],
        "verdict": _verdict(model),
        "history": [epoch.to_record() for epoch in model.history_],
        "findings": _findings(vectors),
        "next": _next(vectors, run.folder),
    }
    return run.record


def write_vectors(vectors: Vectors, path: Path) -> None:
    """Write vectors as the run folder has them: with their places on the plane of the page's map."""
    plane = vectors.project()
    record = formats.Record(list(vectors.keys), vectors.matrix, vectors.counts)
    formats.write(
        record, path, columns={"x": plane[:, 0].astype(np.float32), "y": plane[:, 1].astype(np.float32)}
    )


def _column_record(model: Any, path: str) -> dict[str, Any]:
    n = len(model.vectors_)
    return {
        "name": _NAME,
        "kind": "categorical",
        "why": f"the words seen {model.min_count} times or more",
        "n_levels": n,
        "embedding_dim": model.vectors_.embedding_dim,
        "n_missing": 0,
        "n_rare": model.n_distinct_ - n,
        "n_unseen_held_out": 0,
        "vectors": path,
        "film": None,
    }


def _verdict(model: Any) -> str:
    first, last = model.history_[0], model.history_[-1]
    speed = model.n_words_ * len(model.history_) / max(last.seconds, 1e-9)
    return (
        f"{len(model.vectors_):,} words have vectors, of {model.n_distinct_:,} different ones among "
        f"{model.n_words_:,}. In {len(model.history_)} passes at {speed:,.0f} words a second the loss fell "
        f"from {first.loss:.4f} to {last.loss:.4f}. How good they are, analogies and word pairs can say: "
        "plectrum evaluate."
    )


def _examples(vectors: Vectors) -> list[Any]:
    """A few words that are frequent, but not the most frequent: those are and, the, of."""
    first = min(_SKIPPED, len(vectors) // 4)
    last = min(20 * _SKIPPED, len(vectors) - 1)
    return [
        vectors.keys[row] for row in np.unique(np.geomspace(first + 1, last + 1, _N_FINDINGS).astype(int) - 1)
    ]


def _findings(vectors: Vectors) -> list[dict[str, Any]]:
    found = []
    for key in _examples(vectors):
        near = vectors.nearest(key, k=3)
        if near:
            company = ", ".join(f"{other} ({score:.2f})" for other, score in near)
            found.append({"text": f"nearest to {key}: {company}", "column": _NAME, "key": key})
    return found


def _next(vectors: Vectors, folder: Path) -> list[str]:
    place = os.fspath(folder)
    key = _examples(vectors)[0]
    return [
        f"plectrum near {place} {key}",
        f"plectrum evaluate {place}/vectors/{_NAME}.parquet questions-words.txt",
        f"plectrum convert {place}/vectors/{_NAME}.parquet {_NAME}.txt",
    ]
