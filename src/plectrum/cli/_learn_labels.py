"""`plectrum learn labels`: texts and their labels in; a classifier and a report out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from plectrum.cli._guard import STOPPED
from plectrum.cli._output import emit_json, say

_TRAINING, _OUTPUT = "Training", "Output"


def labels(  # noqa: PLR0917  (typer makes an option of each)
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or Parquet; - is standard input.")],
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column of text.")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="The column to predict.")],
    out: Annotated[str, typer.Option(metavar="RUN", help="The folder to leave everything in.")],
    held_out: Annotated[float, typer.Option(metavar="SHARE", help="Share of the rows.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Decides all that is random.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the rows.", rich_help_panel=_TRAINING)] = 5,
    embedding_dim: Annotated[
        int, typer.Option(min=1, help="Length of a vector.", rich_help_panel=_TRAINING)
    ] = 100,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="At the start.", rich_help_panel=_TRAINING)
    ] = 0.5,
    word_ngrams: Annotated[
        int, typer.Option(min=1, help="Longest sequence of words.", rich_help_panel=_TRAINING)
    ] = 2,
    min_count: Annotated[
        int, typer.Option(min=1, help="Leave out rarer words.", rich_help_panel=_TRAINING)
    ] = 1,
    threads: Annotated[int, typer.Option(help="-1 for all cores.", rich_help_panel=_TRAINING)] = 1,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Begin again where RUN.partial was left.", rich_help_panel=_OUTPUT),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing RUN.", rich_help_panel=_OUTPUT)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print run.json to standard output.", rich_help_panel=_OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Learn to tell the labels of the texts in FILE.

    Leaves a run folder: report.html, run.json, model/, vectors/words.parquet. Held-out rows are never
    trained on.
    """
    parameters: dict[str, Any] = {
        "epochs": epochs,
        "embedding_dim": embedding_dim,
        "learning_rate": learning_rate,
        "word_ngrams": word_ngrams,
        "min_count": min_count,
        "n_jobs": threads,
        "random_state": seed,
        "progress": not quiet,
    }
    how = {"text": text, "label": label, "held_out": held_out, "seed": seed}
    record = _run(file, Path(out), parameters, how, resume=resume, force=force)
    if as_json:
        emit_json(record)
    else:
        from plectrum.cli._results import print_results

        print_results(record, out)


def _run(
    file: str, out: Path, parameters: dict[str, Any], how: dict[str, Any], *, resume: bool, force: bool
) -> Any:
    from plectrum import frames, text
    from plectrum.report import write_report
    from plectrum.runs import open_run, read_run

    if resume and out.is_dir() and not force:
        say(f"{out} is complete; there is nothing to resume")
        return read_run(out).record
    name = file if file == "-" else Path(file).name
    with open_run(out, resume=resume, force=force) as run:
        try:
            if not run.is_whole:
                model = text.TextClassifier(**parameters)
                text.learn_labels(frames.read(file), estimator=model, run=run, name=name, **how)
                run.write_record()
                write_report(run.partial)
        except KeyboardInterrupt:
            say(f"stopped; begin again with --resume (the training starts anew in {run.partial})")
            raise typer.Exit(STOPPED) from None
        run.complete()
    return read_run(out).record
