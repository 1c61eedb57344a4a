"""`plectrum near`: the nearest neighbours of a key, from a run folder or any file of vectors."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from plectrum.cli._guard import FAULT_OF_THE_DATA
from plectrum.cli._keys import find_key
from plectrum.cli._output import complain, emit_json, emit_lines, is_watched
from plectrum.errors import UnknownKeyError


def near(
    source: Annotated[
        str, typer.Argument(metavar="RUN_OR_FILE", help="A run folder, or vectors in any known format.")
    ],
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="- reads keys from standard input, one per line.")
    ],
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column, when several know the key.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the nearest neighbours of KEY, by cosine, best first.

    Each line: neighbour, similarity, how often it was seen. With KEY -, the key stands before them.
    """
    tables = _open(source, column)
    if key != "-":
        answer = _ask(tables, key, k)
        if as_json:
            emit_json(answer)
        else:
            _print(answer)
        return
    answers, unknown = [], 0
    for text in _lines(sys.stdin):
        try:
            answer = _ask(tables, text, k)
        except UnknownKeyError as error:
            complain(error)
            unknown += 1
            continue
        if as_json:
            answers.append(answer)
        else:
            emit_lines((answer["key"], *_line(n)) for n in answer["neighbours"])
    if as_json:
        emit_json(answers)
    if unknown:
        raise typer.Exit(FAULT_OF_THE_DATA)


def _lines(stream: Iterable[str]) -> Iterable[str]:
    return (text for line in stream if (text := line.rstrip("\r\n")))


def _open(source: str, column: str | None) -> dict[str | None, Any]:
    """Return the vectors to look in, by column; a file of vectors stands under None."""
    import plectrum
    from plectrum.runs import read_run

    path = Path(source)
    is_run = path.is_dir() and ((path / "run.json").exists() or not any(path.iterdir()))
    if not is_run and path.exists():
        return {None: plectrum.load(path)}
    run = read_run(path)
    names = run.learned_columns if column is None else (run.column(column)["name"],)
    return {name: run.vectors(name) for name in names}


def _ask(tables: dict[str | None, Any], text: str, k: int) -> dict[str, Any]:
    column, key = find_key(tables, text)
    vectors = tables[column]
    neighbours = [
        {
            "key": other,
            "similarity": float(similarity),
            "count": None if vectors.counts is None else int(vectors.counts[vectors.row(other)]),
        }
        for other, similarity in vectors.nearest(key, k=k)
    ]
    return {"column": column, "key": key, "neighbours": neighbours}


def _line(neighbour: dict[str, Any]) -> tuple[object, ...]:
    count = neighbour["count"]
    return neighbour["key"], f"{neighbour['similarity']:.4f}", *(() if count is None else (count,))


def _print(answer: dict[str, Any]) -> None:
    if not is_watched():
        emit_lines(_line(n) for n in answer["neighbours"])
        return
    from rich.console import Console
    from rich.table import Table

    title = f"nearest to {answer['key']}" + (f" in {answer['column']}" if answer["column"] else "")
    shown = Table(title=title, title_justify="left")
    shown.add_column("key", overflow="fold")
    shown.add_column("similarity", justify="right")
    shown.add_column("seen", justify="right")
    for key, similarity, *count in (_line(n) for n in answer["neighbours"]):
        shown.add_row(str(key), str(similarity), *(f"{c:,}" for c in count))
    Console(highlight=False).print(shown, markup=False)
