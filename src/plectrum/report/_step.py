"""One training step on three rows, from the record that the run keeps of it (`explained.json`)."""

import json
from typing import Any

from plectrum.report._legible import escape, number
from plectrum.runs import Run

EXPLAINED = "explained.json"
_TIMES = ("not looked up", "looked up once", "looked up twice")
_SHOWN = 4  # numbers of a vector
_EXTRA = ' class="extra"'


def explained_step(run: Run) -> str:
    """Return the section of the explained step; nothing where the run has none."""
    path = run.folder / EXPLAINED
    if not path.is_file():
        return ""
    told = json.loads(path.read_text(encoding="utf-8"))
    table = told["tables"][0]
    nudge = told["nudge"]
    name = f"<bdi>{escape(table['name'], longest=60)}</bdi>"
    elsewhere = table["n_rows"] - table["n_looked_up"]
    of_words = told["kind"] == "words"
    n_examples = "one window" if of_words else "three rows"
    batch = "this window" if of_words else "these three"
    return (
        f'<section id="step"><h2>How a row is changed: one step on {n_examples}</h2>'
        f"<p>{_lead(told, name)}</p>"
        f"{_batch(told, 'centre' if of_words else table['name'])}{_rows(table)}"
        f"<p>The other {number(elsewhere)} rows of the table got no gradient, and "
        f"{number(table['n_untouched'])} stayed where they were. The loss of {batch} went from "
        f"{number(told['loss_before'])} to {number(told['loss_after'])}.</p>"
        f'<p class="muted">Proof that the gradient is right: moving number {nudge["position"] + 1} of '
        f"<bdi>{escape(nudge['key'], longest=40)}</bdi> by ±{nudge['size']:g} changes the loss "
        f"by {_signed(nudge['slope'])} a unit; the gradient says {_signed(nudge['gradient'])}. A row that "
        "occurs twice gets the sum of its gradients. The whole story: <code>plectrum explain</code>.</p>"
        "</section>"
    )


def _lead(told: Any, name: str) -> str:
    """Return what is looked at."""
    first = "The first step of training, from the random start."
    when = first if told["step"] == "first" else "One step more, after training."
    if told["kind"] == "words":
        return (
            f"{when} Each pair looks up the row of the word in the centre of a window and, in a second "
            "table, that of a word beside it, or of one drawn at random; the step makes the rows of a true "
            "pair more alike, and of the other less. Here the first table is watched."
        )
    return (
        f"{when} Each row of the data looks up one row of every table; here the table of {name} is watched."
    )


def _batch(told: Any, watched: str) -> str:
    """Return the batch in words, with the row of the table that each example looked up."""
    table = told["focus"]
    cells = list(told["examples"][0]["cells"])
    kept = {watched} if told["kind"] == "columns" else set(cells)  # where there is little room
    heads = "".join(
        f'<th scope="col"{"" if c in kept else _EXTRA}><bdi>{escape(c, longest=30)}</bdi></th>' for c in cells
    )
    lines = "".join(
        f"<tr>{''.join(_cell(example['cells'][c], c == watched, c in kept) for c in cells)}"
        f'<td class="number{_in_columns(told)}">{example["rows"].get(table, "–")}</td>'
        f'<td class="number">{escape(example["prediction"], longest=20)}</td>'
        f'<td class="number">{escape(example["target"], longest=20)}</td></tr>'
        for example in told["examples"]
    )
    target = "in truth" if told["kind"] == "words" else escape(told["target"], longest=30)
    return (
        f'<div class="scroll"><table class="batch"><thead><tr>{heads}'
        f'<th scope="col" class="number{_in_columns(told)}">row</th>'
        f'<th scope="col" class="number">predicted</th>'
        f'<th scope="col" class="number"><bdi>{target}</bdi></th>'
        f"</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _in_columns(told: Any) -> str:
    """Return the mark of the row numbers: of words they are all the same, and the first to go."""
    return " extra" if told["kind"] == "words" else ""


def _cell(text: str, is_watched: bool, is_kept: bool) -> str:
    mark = ' class="watched"' if is_watched else "" if is_kept else _EXTRA
    return f"<td{mark}><bdi>{escape(text, longest=30)}</bdi></td>"


def _rows(table: Any) -> str:
    """Return what the step did to the rows that were looked up, and to one that was not."""
    looked_up = [row for row in table["rows"] if row["lookups"]]
    others = [row for row in table["rows"] if not row["lookups"]][:1]
    more = table["embedding_dim"] > _SHOWN
    lines = []
    for row in [*looked_up, *others]:
        times = len(row["lookups"])
        said = _TIMES[times] if times < len(_TIMES) else f"looked up {times} times"
        lines.append(
            f'<tr><th scope="row"><bdi>{escape(row["key"], longest=30)}</bdi><small>{said}</small></th>'
            f'<td data-name="before">{_numbers(row["before"], more)}</td>'
            f'<td data-name="gradient">{_numbers(row["gradient"], more, signed=True)}</td>'
            f'<td data-name="after">{_numbers(row["after"], more)}</td>'
            f'<td data-name="moved by">{escape(", ".join(row["reasons"]) or "untouched")}</td></tr>'
        )
    return (
        '<div class="scroll"><table class="batch stacks"><thead><tr><th scope="col">row of</th>'
        '<th scope="col">before</th><th scope="col">gradient</th><th scope="col">after</th>'
        '<th scope="col">moved by</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _numbers(values: list[float], more: bool, *, signed: bool = False) -> str:
    shown = " ".join((f"{v:+8.4f}" if signed else f"{v:8.4f}") if v else f"{0:8d}" for v in values[:_SHOWN])
    return f"<code>{shown.replace('-', '−')}{' …' if more else ''}</code>"


def _signed(value: float) -> str:
    return f"{value:+.6g}".replace("-", "−")
