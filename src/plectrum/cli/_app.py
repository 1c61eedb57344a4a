"""The `plectrum` command: its parts, one line each."""

import os
from typing import Annotated

import typer

from plectrum._version import __version__
from plectrum.cli import _check, _convert, _diff, _evaluate, _explain, _learn, _near, _predict, _report
from plectrum.cli._guard import GuardedGroup
from plectrum.cli._output import emit

_EXAMPLES = """Learns a vector for anything that has a name.

[dim]plectrum check flights.csv --target air_time[/]\n
[dim]plectrum learn columns flights.csv --target air_time --group date --out runs/flights[/]\n
[dim]plectrum near runs/flights JFK[/]\n
[dim]plectrum predict runs/flights new.csv > predicted.csv[/]

FILE is CSV or Parquet, - is standard input. Exit codes: 0 done, 1 the data or a file is at fault, 2 the
command line is.
"""

app: typer.Typer = typer.Typer(
    cls=GuardedGroup,
    help=_EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# one line per command, in the order of `plectrum --help`
app.command("check")(_check.check)
app.add_typer(_learn.app, name="learn")
app.command("explain")(_explain.explain)
app.command("near")(_near.near)
app.command("predict")(_predict.predict)
app.command("report")(_report.report)
app.command("diff")(_diff.diff)
app.command("convert")(_convert.convert)
app.command("evaluate")(_evaluate.evaluate)


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"plectrum {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; ends the process with the exit code."""
    # Read when torch and scikit-learn are loaded, later. Their threads would otherwise spin while they wait
    # for one another: where the cores are shared with other programs, that makes a training several times
    # slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app(prog_name="plectrum")
