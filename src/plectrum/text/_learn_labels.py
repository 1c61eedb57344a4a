"""A frame with a column of text and one of labels into a run folder: all of it but the page."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import DataError, MissingColumnError
from plectrum.frames import as_frame, split_rows
from plectrum.runs import RunWriter
from plectrum.text._classifier import TextClassifier
from plectrum.text._learn import write_vectors

_WORDS = "words"
_LEAST = 1e-15


def learn_labels(
    frame: Any,
    *,
    text: str,
    label: str,
    estimator: TextClassifier,
    run: RunWriter,
    name: str,
    held_out: float = 0.1,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit a classifier of texts and write what it learned into a run folder; return the record.

    Rows without a text or a label are left out. The scores are those of `held_out` of the rows, drawn at
    random, which are not trained on; the constant that they are compared with predicts the shares of the
    labels among the training rows.

    Examples
    --------
    >>> import tempfile, pathlib, pandas as pd
    >>> from plectrum.runs import open_run
    >>> frame = pd.DataFrame({"said": ["oh yes", "oh no"] * 40, "means": ["y", "n"] * 40})
    >>> with open_run(pathlib.Path(tempfile.mkdtemp()) / "run") as run:
    ...     model = TextClassifier(embedding_dim=4)
    ...     record = learn_labels(frame, text="said", label="means", estimator=model, run=run, name="x")
    >>> [result["role"] for result in record["results"]], record["target"]["classes"]
    (['constant', 'network'], ['n', 'y'])
    """
    table = as_frame(frame, owner="learn_labels", argument="frame")
    texts, labels, n_missing = _columns(table, text, label)
    train, kept = split_rows(len(texts), valid_share=held_out, seed=seed)
    began = time.perf_counter()
    model = estimator.fit([texts[row] for row in train], labels[train])
    seconds = time.perf_counter() - began
    probabilities = model.predict_proba([texts[row] for row in kept])
    constant = np.tile(_shares(labels[train], model.classes_), (len(kept), 1))
    results = [
        _result(
            "shares of the labels", "constant", constant, labels[kept], classes=model.classes_, seconds=0.0
        ),
        _result(
            "plectrum classifier",
            "network",
            probabilities,
            labels[kept],
            classes=model.classes_,
            seconds=seconds,
        ),
    ]
    model.save_model(run.path("model"))
    path = run.file_of(_WORDS, room="vectors", suffix=".parquet")
    write_vectors(model.vectors_, run.path(*path.split("/")))
    run.record |= {
        "kind": "labels",
        "estimator": "TextClassifier",
        "seed": seed,
        "data": {
            "name": name,
            "n_rows": len(texts),
            "n_train": len(train),
            "n_held_out": len(kept),
            "split": {"how": "random", "column": None, "share": held_out},
        },
        "target": {
            "name": label,
            "kind": "binary" if len(model.classes_) == 2 else "multiclass",
            "metric": "log_loss",
            "unit": None,
            "classes": model.classes_.tolist(),
            "mean": None,
        },
        "columns": [_column_record(model, path, text, n_missing)],
        "results": results,
        "verdict": _verdict(results),
        "history": [epoch.to_record() for epoch in model.history_],
        "next": [f"plectrum near {run.folder} {model.vectors_.keys[min(20, len(model.vectors_) - 1)]}"],
    }
    return run.record


def _columns(table: Any, text: str, label: str) -> tuple[list[str], NDArray[Any], int]:
    for column in (text, label):
        if column not in table.columns:
            raise MissingColumnError(
                f"The columns of text and label must be in the frame; got {column!r}, and there are: "
                f"{', '.join(table.columns)}. Name one of them.",
                columns=[column],
                available=table.columns,
            )
    pairs = list(zip(table[text].to_list(), table[label].to_list(), strict=True))
    if pairs and not any(isinstance(said, str) for said, _ in pairs):
        raise DataError(
            f"Column {text!r} must hold texts; got none among {len(pairs):,} rows, of which the first holds "
            f"{pairs[0][0]!r}. Choose another column."
        )
    whole = [(said, means) for said, means in pairs if isinstance(said, str) and means is not None]
    if len({means for _, means in whole}) < 2:
        raise DataError(
            f"Column {label!r} must hold two labels or more, beside texts in {text!r}; got "
            f"{len({means for _, means in whole})} among {len(pairs):,} rows. Choose another column."
        )
    return [said for said, _ in whole], np.array([means for _, means in whole]), len(pairs) - len(whole)


def _shares(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = (labels[:, None] == classes).mean(axis=0)
    return shares


def _result(
    name: str,
    role: str,
    probabilities: NDArray[Any],
    labels: NDArray[Any],
    *,
    classes: NDArray[Any],
    seconds: float,
) -> dict[str, Any]:
    is_true = labels[:, None] == classes
    found = np.where(is_true, probabilities, 0.0).sum(axis=1)  # 0 for a label that training did not see
    right = classes[probabilities.argmax(axis=1)] == labels
    scores = {
        "log_loss": float(-np.log(np.maximum(found, _LEAST)).mean()),
        "accuracy": float(right.mean()),
    }
    return {"name": name, "role": role, "scores": scores, "fit_seconds": seconds, "note": None}


def _column_record(model: TextClassifier, path: str, text: str, n_missing: int) -> dict[str, Any]:
    return {
        "name": _WORDS,
        "kind": "categorical",
        "why": f"the words of {text}, seen {model.min_count} times or more",
        "n_levels": len(model.vectors_),
        "embedding_dim": model.embedding_dim,
        "n_missing": n_missing,
        "n_rare": 0,
        "n_unseen_held_out": 0,
        "vectors": path,
        "film": None,
    }


def _verdict(results: list[dict[str, Any]]) -> str:
    constant, ours = (result["scores"] for result in results)
    return (
        f"{ours['accuracy']:.1%} of the held-out rows get their label, against {constant['accuracy']:.1%} "
        f"for always the most frequent one (log loss {ours['log_loss']:.4f} against "
        f"{constant['log_loss']:.4f})."
    )
