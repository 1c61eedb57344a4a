"""An explanation as text."""

import textwrap
from collections.abc import Sequence

from plectrum.explanation._record import Explanation, RowStep
from plectrum.explanation._story import Story, shown

_WIDTH = 100
_CELL = 24  # longest cell shown
_N_HOT = 24  # longest one-hot row written out


def render_text(told: Explanation) -> str:
    """Return the record as text, about 100 characters wide."""
    story = Story(told)
    sections = (
        ("The batch", _batch(told, story)),
        ("A name becomes a row number", _row_numbers(told, story)),
        ("The table: weights, one row for each name", _table(told, story)),
        ("A lookup is a one-hot row times the table", _product(told)),
        ("The other inputs", _wrapped(story.other_inputs())),
        ("Prediction, target, loss", _losses(told, story)),
        ("Which rows get a gradient", _gradients(told, story)),
        ("What the optimizer does with it", _moves(told, story)),
        ("How do we know that the gradient is right?", story.nudges()),
        ("The same batch again", _wrapped(story.outcome())),
    )
    lines = ["One training step, seen from close up", *_wrapped(story.headline(), indent=0), ""]
    for number, (title, body) in enumerate(sections, 1):
        lines += [f"{number:2d}  {title}", *(f"    {line}".rstrip() for line in body), ""]
    return "\n".join(lines).rstrip()


def _batch(told: Explanation, story: Story) -> list[str]:
    cells = list(told.examples[0].cells)
    rows = [["", *cells, "target"]]
    for name, example in zip(story.names, told.examples, strict=True):
        rows.append([name, *(example.cells[c] for c in cells), example.target])
    lines = _grid(rows)
    if len(lines[0]) > _WIDTH:  # many columns: one line each
        lines = _grid([list(row) for row in zip(*rows, strict=True)])
    return [*lines, *_wrapped(" ".join([story.follow(), *told.notes]))]


def _row_numbers(told: Explanation, story: Story) -> list[str]:
    lines: list[str] = []
    for table in told.tables:
        pairs = dict.fromkeys((row.key, row.row) for row in table.rows if row.lookups)
        lines += _wrapped(f"{table.name}: " + ", ".join(f"{_cut(key)} is row {row}" for key, row in pairs))
    return [*lines, f"({story.reserved()})"]


def _table(told: Explanation, story: Story) -> list[str]:
    table = told.table
    rows = [["", "row", "key", *[""] * len(shown(table.rows[0].before)), ""]]
    rows += [
        [">" if r.lookups else "", str(r.row), r.key, *shown(r.before), story.lookups(r)] for r in table.rows
    ]
    n_more = table.n_rows - len(table.rows)
    return [
        f"Table '{table.name}' has {table.n_rows:,} rows of {table.embedding_dim} numbers. Looked up rows "
        "are lifted out (>):",
        *_grid(rows[1:]),
        *([f"and {n_more:,} rows more"] if n_more else []),
    ]


def _product(told: Explanation) -> list[str]:
    table, row = told.table, told.table.rows[0]
    hot = [str(int(i == row.row)) for i in range(min(table.n_rows, max(_N_HOT, row.row + 2)))]
    written = " ".join(hot) if len(hot) <= _N_HOT else f"0 0 ... 1 (at place {row.row}) ... 0"
    more = "" if len(hot) == table.n_rows or len(hot) > _N_HOT else " ..."
    return [
        f"one-hot row of {_cut(row.key)}:  {written}{more}   ({table.n_rows:,} places, one of them 1)",
        *_grid(
            [["times the table", *shown(table.product)], [f"row {row.row}, looked up", *shown(row.before)]]
        ),
        "Both ways were computed for the whole batch; the largest difference is "
        f"{table.lookup_difference:g}.",
        "A lookup is that product without the multiplications by zero.",
    ]


def _losses(told: Explanation, story: Story) -> list[str]:
    rows = [["", "prediction", "target", "loss"]]
    for name, example in zip(story.names, told.examples, strict=True):
        rows.append([name, example.prediction, example.target, f"{example.loss:.6g}"])
    return [*_grid(rows), f"Loss of the batch: {told.loss_before:.6g}  ({told.loss_name})"]


def _gradients(told: Explanation, story: Story) -> list[str]:
    table = told.table
    rows: list[list[str]] = []
    repeated: RowStep | None = None
    for row in table.rows:
        if not row.lookups:
            continue
        for i, gradient in zip(row.lookups, row.lookup_gradients, strict=True):
            rows.append([row.key, f"from {story.names[i]}", *shown(gradient)])
        if len(row.lookups) > 1:
            rows.append([row.key, "sum", *shown(row.gradient)])
            repeated = repeated or row
    lines = _grid(rows)
    if repeated is not None:
        lines += _wrapped(story.sum_rule(repeated))
        lines.append(f"(largest difference between sums and what the table got: {table.sum_difference:.1e})")
    return lines + _wrapped(story.no_other_gradient(table))


def _moves(told: Explanation, story: Story) -> list[str]:
    lines = _wrapped(story.update_rule())
    for table in told.tables:
        rows: list[list[str]] = []
        for row in table.rows:
            rows.append([row.key, "before", *shown(row.before), ""])
            if row.moved > 0:
                rows.append(["", "after", *shown(row.after), story.fate(row)])
            else:
                rows[-1][-1] = story.fate(row)
        lines += ["", *(_grid(rows) if table is told.table else []), *_wrapped(story.tally(table))]
    return [*lines, "", *_wrapped(story.lesson())]


def _grid(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side: numbers to the right, words to the left."""
    rows = [[_cut(cell) if j < len(row) - 1 else cell for j, cell in enumerate(row)] for row in rows]
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).replace("e-", "", 1).isdigit()


def _cut(text: str) -> str:
    """One line, not too long, without control characters."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= _CELL else text[: _CELL - 3] + "..."


def _wrapped(text: str, indent: int = 4) -> list[str]:
    return textwrap.wrap(text, _WIDTH - indent) or [""]
