"""`plectrum predict`: what a run predicts for the rows of a file."""

import sys
from typing import Annotated, Any

import typer

from plectrum.cli._output import emit_json, say
from plectrum.errors import ArgumentError


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or Parquet; - is standard input.")],
    out: Annotated[
        str | None, typer.Option(metavar="OUT", help="Write there instead: .csv or .parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print FILE as CSV with the prediction of RUN appended.

    A run that learned classes appends the class and a probability for each.
    """
    import plectrum
    from plectrum import frames

    estimator = plectrum.load_run(run)
    frame = frames.read(file)
    predicted = _predictions(estimator, frame)
    _say_what_was_new(estimator)
    if as_json:
        emit_json({"n_rows": len(frame), "predictions": {n: v.tolist() for n, v in predicted.items()}})
        return
    whole = _appended(frame, predicted)
    if out is None:
        _write_csv(whole, sys.stdout.buffer)
    else:
        _write_file(whole, out)
        say(f"{len(frame):,} rows written to {out}")


def _predictions(estimator: Any, frame: Any) -> dict[str, Any]:
    """Return the columns to append, by name."""
    if not hasattr(estimator, "predict_proba"):
        return {"prediction": estimator.predict(frame)}
    probabilities = estimator.predict_proba(frame)
    classes = estimator.classes_
    found = {"prediction": classes[probabilities.argmax(axis=1)]}
    return found | {f"probability_{c}": probabilities[:, i] for i, c in enumerate(classes)}


def _say_what_was_new(estimator: Any) -> None:
    """Say which share of each column training had not seen, or is missing."""
    for seen in estimator.coverage_:
        shares = {"unseen": seen.unseen_share, "missing": seen.missing_share}
        parts = [f"{share:.1%} {what}" for what, share in shares.items() if share]
        if parts:
            say(f"{seen.column}: {' and '.join(parts)} values")


def _appended(frame: Any, predicted: dict[str, Any]) -> Any:
    import pyarrow as pa

    whole = frame.to_arrow()
    for name, values in predicted.items():
        free, n = name, 1
        while free in whole.column_names:
            n += 1
            free = f"{name}_{n}"
        whole = whole.append_column(free, pa.array(values.tolist()))
    return whole


def _write_csv(whole: Any, stream: Any) -> None:
    import pyarrow as pa
    from pyarrow import csv

    try:
        csv.write_csv(whole, stream, csv.WriteOptions(quoting_style="needed"))
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise ArgumentError(
            f"the frame must have columns that CSV can hold; {error}. Write Parquet: --out predicted.parquet."
        ) from None


def _write_file(whole: Any, out: str) -> None:
    from pathlib import Path

    from pyarrow import parquet

    from plectrum.formats import atomic_path

    suffix = Path(out).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ArgumentError(
            f"`--out` of `predict` must end in .csv or .parquet; got {out!r}. Choose one of them."
        )
    with atomic_path(Path(out)) as beside:
        if suffix == ".parquet":
            parquet.write_table(whole, beside)
        else:
            with beside.open("wb") as stream:
                _write_csv(whole, stream)
