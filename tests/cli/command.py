"""Runs the `plectrum` command in a process of its own, as a user does."""

import os
import subprocess
import sys
from dataclasses import dataclass

_CODE = "import sys; sys.argv[0] = 'plectrum'; from plectrum.cli import main; main()"


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    def assert_fails(self, code: int, *parts: str) -> None:
        """One message without a traceback, that has all these parts, and this exit code."""
        assert self.code == code, self
        assert "Traceback" not in self.err, self.err
        flat = " ".join(self.err.split())
        for part in parts:
            assert part in flat, (part, flat)

    def assert_succeeds(self) -> None:
        """Exit code 0."""
        assert self.code == 0, self


def plectrum_here(*arguments: object) -> Done:
    """Run the command in this process, which spares the seconds that loading torch takes."""
    from typer.testing import CliRunner

    from plectrum.cli._app import app

    done = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def command(*arguments: object) -> list[str]:
    """Return the whole command line, for `subprocess`."""
    return [sys.executable, "-c", _CODE, *map(str, arguments)]


def plectrum(*arguments: object, stdin: str | bytes = b"", cwd: object = None, **environment: str) -> Done:
    """Run the command and return what it left."""
    done = subprocess.run(
        command(*arguments),
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        check=False,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"} | environment,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
