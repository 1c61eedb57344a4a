"""`plectrum learn ...`: one file per kind of data."""

import typer

from plectrum.cli import _learn_columns, _learn_labels, _learn_words

app: typer.Typer = typer.Typer(no_args_is_help=True, help="Learn vectors, and leave them in a run folder.")

# one line per door
app.command("columns")(_learn_columns.columns)
app.command("words")(_learn_words.words)
app.command("labels")(_learn_labels.labels)
