"""What becomes of exceptions: one clear message and an exit code, never a traceback for a user's mistake."""

import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from plectrum.cli._output import complain, say
from plectrum.errors import PlectrumError

FAULT_OF_THE_DATA = 1
STOPPED = 130  # as shells have it: 128 + SIGINT


class GuardedGroup(TyperGroup):
    """The outermost group of commands; turns exceptions and warnings of all commands into messages."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                warnings.showwarning = _say_warning
                done = super().invoke(ctx)
            sys.stdout.flush()  # a pipe that was closed shall be noticed here, not at exit
            return done
        except BrokenPipeError:
            # The reader has what it wanted (`plectrum near ... | head -1`). Python flushes once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except PlectrumError as error:
            complain(error)
            raise typer.Exit(FAULT_OF_THE_DATA) from None
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            complain(_of_the_system(error))
            raise typer.Exit(FAULT_OF_THE_DATA) from None
        except KeyboardInterrupt:
            say("stopped")
            raise typer.Exit(STOPPED) from None


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"warning: {message}", style="yellow")


def _of_the_system(error: OSError) -> Exception:
    if error.filename is None or not error.strerror:
        return error
    return OSError(f"{os.fspath(error.filename)!r}: {error.strerror.lower()}. Check the path.")
