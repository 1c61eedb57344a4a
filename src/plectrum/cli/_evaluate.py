"""`plectrum evaluate`: what vectors know, by analogies or word pairs."""

from dataclasses import asdict, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from plectrum.cli._output import emit, emit_json


def evaluate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Vectors in any known format.")],
    questions: Annotated[
        str,
        typer.Argument(
            metavar="QUESTIONS", help="Analogies (four words a line) or pairs (two words, a number)."
        ),
    ],
    restrict: Annotated[
        int, typer.Option(min=1, help="Analogies among the most frequent keys only.")
    ] = 30_000,
    convention: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Analogies as another program asks them: gensim, glove, ..."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Score the vectors in FILE against QUESTIONS."""
    import plectrum

    vectors = plectrum.load(file)
    if _holds_pairs(Path(questions)):
        result: Any = plectrum.evaluate.word_pairs(vectors, questions)
    else:
        result = plectrum.evaluate.analogies(vectors, questions, restrict=restrict, convention=convention)
    if as_json:
        emit_json(asdict(result) if is_dataclass(result) and not isinstance(result, type) else result)
    else:
        emit(str(result))


def _holds_pairs(path: Path) -> bool:
    """Whether the lines are two words and a number; analogies are four words, in sections after a ``:``."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in islice(lines, 100):
            if line.startswith(":"):
                return False
            if any(_is_number(field) for field in line.split()[2:]):
                return True
    return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
