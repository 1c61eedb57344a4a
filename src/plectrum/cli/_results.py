"""The end of a training, in a terminal: results, verdict, what was learned, what to type next."""

import sys
from typing import Any

from plectrum.cli._output import emit, say


def print_results(record: Any, out: str) -> None:
    """Print the table of results, the verdict and the findings; then, on standard error, where to go on."""
    from rich.console import Console

    # rich would cut a table to 80 columns where standard output is a file; a log may be as wide as it needs
    width = None if sys.stdout.isatty() else 140
    Console(file=sys.stdout, highlight=False, width=width).print(_table(record), markup=False)
    emit(record["verdict"])
    for finding in record["findings"]:
        emit(finding["text"])
    say(f"\nlook at {out}/report.html; what to type next:")
    for command in record["next"]:
        say(f"  {command}", style="bold")


def _table(record: Any) -> Any:
    from rich.table import Table

    data, target = record["data"], record["target"]
    split = data["split"]
    how = {
        "random": "at random",
        "time": f"the latest by {split['column']}",
        "group": f"whole {split['column']}",
    }
    shown = Table(
        title=f"{target['name']} on {data['n_held_out']:,} held-out rows ({how[split['how']]}), "
        f"learned from {data['n_train']:,}",
        title_justify="left",
    )
    metrics = list(record["results"][0]["scores"]) if record["results"] else []
    shown.add_column("model", overflow="fold")
    for metric in metrics:
        shown.add_column(metric, justify="right")
    shown.add_column("fitted in", justify="right")
    best = min((r["scores"][target["metric"]] for r in record["results"]), default=None)
    for result in record["results"]:
        scores = [_number(result["scores"].get(metric)) for metric in metrics]
        style = "bold" if result["scores"][target["metric"]] == best else None
        shown.add_row(result["name"], *scores, f"{result['fit_seconds']:.1f} s", style=style)
    notes = [f"{r['name']}: {r['note']}" for r in record["results"] if r["note"]]
    shown.caption, shown.caption_justify = "\n".join(notes) or None, "left"
    return shown


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
