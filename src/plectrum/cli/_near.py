"""`plectrum near`: the nearest neighbours of a key, from a run folder or any file of vectors."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from plectrum.cli._guard import FAULT_OF_THE_DATA
from plectrum.cli._keys import find_key
from plectrum.cli._output import complain, emit_json, emit_lines, is_watched
from plectrum.errors import ArgumentError, UnknownKeyError


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
        (answer,) = _answer(tables, [find_key(tables, key)], k)
        if as_json:
            emit_json(answer)
        else:
            _print(answer)
        return
    kept, n_unknown = [], 0
    for texts in lines_at_hand(sys.stdin.buffer):
        asked, unknown, refusal = _known(tables, texts)
        for answer in _answer(tables, asked, k):
            if as_json:
                kept.append(answer)
            else:
                emit_lines((answer["key"], *_line(n)) for n in answer["neighbours"])
        sys.stdout.flush()  # whoever asks by a pipe may wait for the answer before asking again
        for error in unknown:
            complain(error)
        n_unknown += len(unknown)
        if refusal is not None:
            raise refusal
    if as_json:
        emit_json(kept)
    if n_unknown:
        raise typer.Exit(FAULT_OF_THE_DATA)


def lines_at_hand(stream: Any) -> Iterator[list[str]]:
    """Yield the lines that have come, without their ends and without empty ones, as soon as there is one.

    From a file that is some thousands at a time, from somebody who types or waits one by one.
    """
    rest = b""
    while part := stream.read1(2**16):  # waits for one byte, then takes what is there
        *lines, rest = (rest + part).split(b"\n")
        yield _texts(lines)
    yield _texts([rest])


def _texts(lines: Iterable[bytes]) -> list[str]:
    encoding, errors = sys.stdin.encoding or "utf-8", sys.stdin.errors or "strict"
    return [text for line in lines if (text := line.rstrip(b"\r").decode(encoding, errors))]


def _known(
    tables: dict[str | None, Any], texts: Iterable[str]
) -> tuple[list[tuple[str | None, Any]], list[UnknownKeyError], ArgumentError | None]:
    """Return column and key of each text up to one that several columns know, and what was wrong."""
    asked, unknown = [], []
    for text in texts:
        try:
            asked.append(find_key(tables, text))
        except UnknownKeyError as error:
            unknown.append(error)
        except ArgumentError as error:
            return asked, unknown, error
    return asked, unknown, None


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


def _answer(
    tables: dict[str | None, Any], asked: list[tuple[str | None, Any]], k: int
) -> list[dict[str, Any]]:
    """Return the neighbours of each key, those of one column found together."""
    answers: list[dict[str, Any]] = [{}] * len(asked)
    for column, vectors in tables.items():
        places = [place for place, (other, _) in enumerate(asked) if other == column]
        keys = [asked[place][1] for place in places]
        for place, key, found in zip(places, keys, vectors.nearest(keys, k=k), strict=True):
            neighbours = [
                {
                    "key": other,
                    "similarity": float(similarity),
                    "count": None if vectors.counts is None else int(vectors.counts[vectors.row(other)]),
                }
                for other, similarity in found
            ]
            answers[place] = {"column": column, "key": key, "neighbours": neighbours}
    return answers


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
