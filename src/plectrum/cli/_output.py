"""Where output goes: data to standard output, messages to standard error; colour only where it is wanted."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def emit(text: str) -> None:
    """Write one line of data to standard output."""
    sys.stdout.write(text + "\n")


def emit_json(value: Any) -> None:
    """Write one JSON document to standard output; what is not finite becomes null."""
    from plectrum.runs import plain

    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def emit_lines(rows: Iterable[Sequence[object]]) -> None:
    """Write rows to standard output, their fields separated by tabs (tabs and line ends inside are
    escaped)."""
    for row in rows:
        fields = (str(field).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for field in row)
        sys.stdout.write("\t".join(fields) + "\n")


def say(text: str, *, style: str | None = None) -> None:
    """Write a message to standard error; rich leaves colour out under NO_COLOR and where nobody looks."""
    console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def complain(error: BaseException) -> None:
    """Write the message of an exception to standard error, without a traceback."""
    from rich.text import Text

    line = Text.assemble(("error: ", "bold red"), str(error) or type(error).__name__)
    console().print(line, highlight=False, soft_wrap=True)


def console() -> Any:
    """Return rich's console on standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def is_watched() -> bool:
    """Whether somebody looks at standard output, so that it may be laid out for the eye."""
    return sys.stdout.isatty()
