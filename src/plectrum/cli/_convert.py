"""`plectrum convert`: vectors from one format to another, or to a viewer."""

from pathlib import Path
from typing import Annotated

import typer

from plectrum.cli._output import emit, emit_json, say


def convert(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Vectors in any known format, or a run folder.")
    ],
    destination: Annotated[str, typer.Argument(metavar="OUT", help="Its suffix chooses the format.")],
    *,
    read_as: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="Instead of sniffing.")
    ] = None,
    write_as: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="Instead of going by the suffix. projector: a folder for TensorBoard; atlas: a file for "
            "embedding-atlas. For these two the command that opens it is printed.",
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a run folder: the column, when it has several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read vectors from IN and write them to OUT.

    Further columns (those of a run: moved, target_mean, ...) go along where OUT can hold them.
    """
    from plectrum import formats
    from plectrum.vectors import VIEWERS, hand_off

    record = formats.read(_file_of(source, column), format=read_as)
    n, dim = record.matrix.shape
    about = {"keys": n, "embedding_dim": dim, "out": destination}
    if write_as in VIEWERS:
        about["open"] = hand_off(record, destination, write_as)
    else:
        formats.write(record, destination, format=write_as)
    if as_json:
        emit_json(about)
        return
    say(f"{n:,} vectors of {dim} numbers written to {destination}")
    if "open" in about:
        say("Open it with:")
        emit(str(about["open"]))


def _file_of(source: str, column: str | None) -> Path:
    """Return the file of vectors: IN itself, or that of a column of the run in this folder."""
    from plectrum.errors import ArgumentError
    from plectrum.runs import read_run

    path = Path(source)
    if column is None and not (path / "run.json").exists():
        return path
    run = read_run(path)
    names = run.learned_columns if column is None else (column,)
    if len(names) != 1:
        raise ArgumentError(
            f"`column` (--column) of `convert` must name one column of the run {source!r}; it has "
            f"{len(names)} with vectors: {', '.join(names) or 'none'}. Name one."
        )
    found = run.vectors_path(names[0])
    if found is None:
        raise ArgumentError(
            f"`column` (--column) of `convert` must have vectors; got {names[0]!r}. With vectors: "
            f"{', '.join(run.learned_columns) or 'none'}."
        )
    return found
