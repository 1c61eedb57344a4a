"""`plectrum learn words`: a text in; word vectors, a model and a report out."""

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from plectrum.cli._guard import STOPPED
from plectrum.cli._output import emit, emit_json, say

_TRAINING, _OUTPUT = "Training", "Output"


class Method(StrEnum):
    """How word vectors can be learned."""

    SKIP_GRAM = "skip-gram"
    CBOW = "cbow"
    FASTTEXT = "fasttext"
    GLOVE = "glove"


def words(  # noqa: PLR0917  (typer makes an option of each)
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Text (also gz, bz2, xz, zst), CSV or Parquet; - is standard input."
        ),
    ],
    out: Annotated[str, typer.Option(metavar="RUN", help="The folder to leave everything in.")],
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column of text of a CSV or Parquet file.")
    ] = None,
    method: Annotated[Method, typer.Option(rich_help_panel=_TRAINING)] = Method.SKIP_GRAM,
    embedding_dim: Annotated[
        int, typer.Option(min=1, help="Length of a vector.", rich_help_panel=_TRAINING)
    ] = 100,
    window: Annotated[
        int | None, typer.Option(min=1, help="Words to either side.", rich_help_panel=_TRAINING)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the text.", rich_help_panel=_TRAINING)
    ] = None,
    min_count: Annotated[
        int, typer.Option(min=1, help="Leave out rarer words.", rich_help_panel=_TRAINING)
    ] = 5,
    sample: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SHARE",
            help="Pass over some occurrences of words of more than this share of the text; 0 for none "
            "(0.001; not with glove).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="-1 for all cores.", rich_help_panel=_TRAINING)] = -1,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic", help="The same bits for any number of threads.", rich_help_panel=_TRAINING
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides all that is random.")] = 0,
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
    """Learn vectors for the words of FILE from the company they keep.

    One sentence a line, words between white space; or one endless line. Leaves a run folder: report.html,
    run.json, model/, vectors/words.parquet.
    """
    parameters: dict[str, Any] = {
        "embedding_dim": embedding_dim,
        "min_count": min_count,
        "n_jobs": threads,
        "random_state": seed,
        "deterministic": deterministic,
        "progress": not quiet,
    }
    if sample is not None and method is Method.GLOVE:
        raise typer.BadParameter(
            "must not be given with --method glove, which counts every occurrence: leave it out",
            param_hint="--sample",
        )
    given = (("window", window), ("epochs", epochs), ("sample", sample))
    parameters |= {name: value for name, value in given if value is not None}
    record = _run(file, Path(out), column, _estimator(method, parameters), seed, resume=resume, force=force)
    if as_json:
        emit_json(record)
        return
    emit(record["verdict"])
    for finding in record["findings"]:
        emit(finding["text"])
    say(f"\nlook at {out}/report.html; what to type next:")
    for command in record["next"]:
        say(f"  {command}", style="bold")


def _estimator(method: Method, parameters: dict[str, Any]) -> Any:
    from plectrum import text

    match method:
        case Method.FASTTEXT:
            return text.FastText(**parameters)
        case Method.GLOVE:
            return text.GloVe(**parameters)
        case Method.CBOW:
            return text.Word2Vec(architecture="cbow", **parameters)
    return text.Word2Vec(**parameters)


def _run(
    file: str, out: Path, column: str | None, estimator: Any, seed: int, *, resume: bool, force: bool
) -> Any:
    from plectrum.report import write_report
    from plectrum.runs import open_run, read_run
    from plectrum.text import learn_words

    if resume and out.is_dir() and not force:
        say(f"{out} is complete; there is nothing to resume")
        return read_run(out).record
    name = file if file == "-" else Path(file).name
    with open_run(out, resume=resume, force=force) as run:
        try:
            if not run.is_whole:
                learn_words(file, estimator=estimator, run=run, name=name, column=column, seed=seed)
                run.write_record()
                _explain_a_step(run, estimator, file, column)
                write_report(run.partial)
        except KeyboardInterrupt:
            say(f"stopped; begin again with --resume (the training starts anew in {run.partial})")
            raise typer.Exit(STOPPED) from None
        run.complete()
    return read_run(out).record


def _explain_a_step(run: Any, estimator: Any, file: str, column: str | None) -> None:
    """Keep one explained step for the page, where there is one to show; a run is whole without it."""
    from plectrum.errors import PlectrumError
    from plectrum.explanation import explain_file
    from plectrum.runs import write_json

    if file == "-":  # it cannot be read again
        return
    with contextlib.suppress(PlectrumError):
        told = explain_file(file, column=column, step="trained", estimator=estimator)
        write_json(run.path("explained.json"), told.to_json())
