"""An explanation as a page: one file, no script, no network, light and dark."""

from html import escape
from importlib.resources import files

from plectrum.explanation._record import Explanation, RowStep
from plectrum.explanation._story import Story, shown

_MORE = ' class="more"'


def render_page(told: Explanation) -> str:
    """Return a whole page that opens from disk."""
    style = files("plectrum.explanation").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src '
        "'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>One training step, seen from close up</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"{render_fragment(told)}\n</body>\n</html>\n"
    )


def render_fragment(told: Explanation) -> str:
    """Return the explanation as a section, to stand in a report or a notebook."""
    story = Story(told)
    parts = (
        ("The batch", _batch(told, story)),
        ("A name becomes a row number", _row_numbers(told, story)),
        ("The table: weights, one row for each name", _table(told, story)),
        ("A lookup is a one-hot row times the table", _product(told)),
        ("The other inputs", _paragraph(story.other_inputs())),
        ("Prediction, target, loss", _losses(told, story)),
        ("Which rows get a gradient", _gradients(told, story)),
        ("What the optimizer does with it", _moves(told, story)),
        ("How do we know that the gradient is right?", f"<pre>{_text(chr(10).join(story.nudges()))}</pre>"),
        ("The same batch again", _paragraph(story.outcome())),
    )
    sections = "\n".join(
        f"<section><h3><span>{number}</span> {_text(title)}</h3>\n{body}</section>"
        for number, (title, body) in enumerate(parts, 1)
    )
    return (
        '<article class="one-step">\n<h2>One training step, seen from close up</h2>\n'
        f"{_paragraph(story.headline())}\n{sections}\n</article>"
    )


def _batch(told: Explanation, story: Story) -> str:
    cells = list(told.examples[0].cells)
    rows = [
        [name, *(example.cells[c] for c in cells), example.target]
        for name, example in zip(story.names, told.examples, strict=True)
    ]
    return _grid(["", *cells, "target"], rows, lifted=[True] + [False] * (len(rows) - 1)) + _paragraph(
        " ".join([story.follow(), *told.notes])
    )


def _row_numbers(told: Explanation, story: Story) -> str:
    items = []
    for table in told.tables:
        pairs = dict.fromkeys((row.key, row.row) for row in table.rows if row.lookups)
        said = ", ".join(f"{_text(key)} is row&nbsp;{row}" for key, row in pairs)
        items.append(f"<li><b>{_text(table.name)}</b>: {said}</li>")
    return f"<ul>{''.join(items)}</ul>" + _paragraph(story.reserved().capitalize() + ".")


def _table(told: Explanation, story: Story) -> str:
    table = told.table
    rows = [[str(r.row), r.key, *shown(r.before), story.lookups(r)] for r in table.rows]
    n_more = table.n_rows - len(table.rows)
    head = ["row", "key", *[""] * len(shown(table.rows[0].before)), ""]
    lead = (
        f"Table {table.name!r} has {table.n_rows:,} rows of {table.embedding_dim} numbers. Rows looked "
        "up are lifted out."
    )
    more = _paragraph(f"And {n_more:,} rows more.") if n_more else ""
    return (
        _paragraph(lead)
        + _grid(head, rows, lifted=[bool(r.lookups) for r in table.rows], of_vectors=True)
        + more
    )


def _product(told: Explanation) -> str:
    table, row = told.table, told.table.rows[0]
    rows = [
        ["times the table", *shown(table.product)],
        [f"row {row.row}, looked up", *shown(row.before)],
    ]
    return (
        _paragraph(
            f"The one-hot row of {row.key} has {table.n_rows:,} places: a one at place {row.row}, zeros "
            "elsewhere."
        )
        + _grid([], rows, lifted=[False, True], of_vectors=True)
        + _paragraph(
            "Both ways were computed for the whole batch; the largest difference is "
            f"{table.lookup_difference:g}. A lookup is that product without the multiplications by zero."
        )
    )


def _losses(told: Explanation, story: Story) -> str:
    rows = [
        [name, example.prediction, example.target, f"{example.loss:.6g}"]
        for name, example in zip(story.names, told.examples, strict=True)
    ]
    return _grid(["", "prediction", "target", "loss"], rows) + _paragraph(
        f"Loss of the batch: {told.loss_before:.6g} ({told.loss_name})."
    )


def _gradients(told: Explanation, story: Story) -> str:
    rows: list[list[str]] = []
    sums: list[bool] = []
    repeated: RowStep | None = None
    for row in (row for row in told.table.rows if row.lookups):
        for i, gradient in zip(row.lookups, row.lookup_gradients, strict=True):
            rows.append([row.key, f"from {story.names[i]}", *shown(gradient)])
            sums.append(False)
        if len(row.lookups) > 1:
            rows.append([row.key, "sum", *shown(row.gradient)])
            sums.append(True)
            repeated = repeated or row
    explained = _paragraph(story.sum_rule(repeated)) if repeated else ""
    return (
        _grid([], rows, lifted=sums, of_vectors=True)
        + explained
        + _paragraph(story.no_other_gradient(told.table))
    )


def _moves(told: Explanation, story: Story) -> str:
    rows: list[list[str]] = []
    lifted: list[bool] = []
    for row in told.table.rows:
        rows.append([row.key, "before", *shown(row.before), "" if row.moved > 0 else story.fate(row)])
        lifted.append(False)
        if row.moved > 0:
            rows.append(["", "after", *shown(row.after), story.fate(row)])
            lifted.append(True)
    tallies = "".join(f"<li>{_text(story.tally(table))}</li>" for table in told.tables)
    return (
        f"<p><code>{_text(story.update_rule())}</code></p>"
        + _grid([], rows, lifted=lifted, of_vectors=True)
        + f"<ul>{tallies}</ul>"
        + _paragraph(story.lesson())
    )


def _grid(
    head: list[str], rows: list[list[str]], *, lifted: list[bool] | None = None, of_vectors: bool = False
) -> str:
    """Return a table; `of_vectors`: narrow windows leave numbers out from the third on, so that the last
    cell, which says what happened, is seen.
    """
    marks = lifted or [False] * len(rows)
    more = _columns_to_spare(rows) if of_vectors else set()
    top = "".join(f"<th{_MORE if j in more else ''}>{_text(cell)}</th>" for j, cell in enumerate(head))
    body = "".join(
        f"<tr{' class=lifted' if mark else ''}>"
        f"{''.join(_cell(cell, is_more=j in more) for j, cell in enumerate(row))}</tr>"
        for row, mark in zip(rows, marks, strict=True)
    )
    return (
        f'<div class="scroll"><table{" class=vectors" if of_vectors else ""}>'
        f"{f'<thead><tr>{top}</tr></thead>' if head else ''}<tbody>{body}</tbody></table></div>"
    )


def _columns_to_spare(rows: list[list[str]]) -> set[int]:
    """Return which columns hold the third number of a vector, and those after it."""
    width = max(map(len, rows), default=0)
    numeric = [
        j
        for j in range(2, width)
        if all(_is_number(row[j]) or row[j] == "..." for row in rows if j < len(row))
    ]
    return set(numeric[2:])


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).replace("e-", "", 1).isdigit()


def _cell(text: str, *, is_more: bool = False) -> str:
    names = [name for name, holds in (("number", _is_number(text)), ("more", is_more)) if holds]
    mark = f' class="{" ".join(names)}"' if names else ""
    return f"<td{mark}>{_text(text)}</td>"


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _text(text: str) -> str:
    """Safe text of bounded length: a key may be anything."""
    text = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return escape(text if len(text) <= 2000 else text[:1997] + "...")
