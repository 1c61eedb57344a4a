"""The sections about the run as a whole: question and answer, results, curves, how it was made."""

import shlex
from typing import Any

from plectrum.report._curves import Baseline, loss_curves
from plectrum.report._legible import escape, number, seconds

METRICS = {
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "r2": "R²",
    "roc_auc": "ROC AUC",
    "auc": "ROC AUC",
    "poisson": "Poisson deviance",
}
_MORE_IS_BETTER = {
    *("accuracy", "r2", "roc_auc", "auc", "f1", "balanced_accuracy"),
    *("recall", "precision", "ndcg", "map", "mrr", "hits"),
}
_OURS = {"network", "vectors"}
_COUNTS_OF_COLUMN = {
    "n_levels": "levels",
    "embedding_dim": "numbers each",
    "n_missing": "missing",
    "n_rare": "rare",
    "n_unseen_held_out": "unseen in held-out",
}


def question(record: Any) -> str:
    """Return the question that the run answers, as HTML."""
    target, data = record.get("target"), escape(record["data"].get("name", ""), longest=60)
    data = "standard input" if data == "-" else data
    if target:
        return f"How well do learned vectors predict <bdi>{escape(target['name'], longest=60)}</bdi>?"
    kinds = {
        "words": f"What did the words of <bdi>{data}</bdi> come to mean?",
        "items": f"Who goes with what in <bdi>{data}</bdi>?",
        "nodes": f"How do the nodes of <bdi>{data}</bdi> hang together?",
    }
    return kinds.get(record["kind"], f"What was learned from <bdi>{data}</bdi>?")


def opening(record: Any) -> str:
    """Return the head of the page: the question, the answer, the figures that carry it."""
    made = escape(record.get("created", "").replace("T", " ").replace("+00:00", " UTC"))
    verdict = escape(record.get("verdict") or "", longest=600)
    answer = f'<p class="answer">{verdict}</p>' if verdict else ""
    return (
        f'<header class="opening"><p class="overline">plectrum · {escape(record["kind"])} · {made}</p>'
        f"<h1>{question(record)}</h1>{answer}{_figures(record)}</header>"
    )


def _figures(record: Any) -> str:
    metric = _metric(record)
    scored = [(r, s) for r in record.get("results", []) if (s := _score(r, metric)) is not None]
    parts = []
    ours = [pair for pair in scored if pair[0]["role"] in _OURS]
    simple = [pair for pair in scored if pair[0]["role"] not in _OURS | {"constant"}]
    constant = [pair for pair in scored if pair[0]["role"] == "constant"]
    unit = (record.get("target") or {}).get("unit") or ""
    for group, words in (
        (ours, "with learned vectors"),
        (simple, "best without"),
        (constant, "always the same answer"),
    ):
        if group:
            result, score = _best(group, metric)
            parts.append(
                f'<div><dt>{words}</dt><dd><span class="big">{number(score)}</span> '
                f'<span class="unit">{escape(unit)}</span><small>{escape(result["name"], longest=60)}</small>'
                "</dd></div>"
            )
    if not parts:
        return ""
    data = record["data"]
    name = escape(METRICS.get(metric, metric))
    how = "higher" if _more_is_better(metric) else "lower"
    rows = f" on {number(data.get('n_held_out'))} held-out rows" if data.get("n_held_out") else ""
    return f'<dl class="figures">{"".join(parts)}</dl><p class="muted">{name}{rows}; {how} is better.</p>'


def _metric(record: Any) -> str:
    """Return the score that decides: the target's; without a target the first that a result has."""
    given = (record.get("target") or {}).get("metric")
    names = (name for result in record.get("results", []) for name in result.get("scores", {}))
    return str(given or next(names, ""))


def _more_is_better(metric: str) -> bool:
    return metric.partition("@")[0].lower() in _MORE_IS_BETTER  # recall@20 is a recall


def _score(result: Any, metric: str) -> float | None:
    score = result.get("scores", {}).get(metric)
    return float(score) if isinstance(score, int | float) else None


def _best(scored: list[tuple[Any, float]], metric: str) -> tuple[Any, float]:
    sign = -1 if _more_is_better(metric) else 1
    return min(scored, key=lambda pair: sign * pair[1])


def results(record: Any) -> str:
    """Return the table of results on the held-out rows, best first, each score with a bar."""
    found = record.get("results", [])
    if not found:
        return ""
    names = list(dict.fromkeys(name for r in found for name in r.get("scores", {})))
    metric = _metric(record)
    names = [metric, *(name for name in names if name not in (metric, "loss"))]
    sign = -1 if _more_is_better(metric) else 1
    worst = float("inf")
    ordered = sorted(found, key=lambda r: worst if (s := _score(r, metric)) is None else sign * s)
    longest = max((abs(s) for r in found if (s := _score(r, metric)) is not None), default=1.0) or 1.0
    heads = "".join(
        f'<th scope="col" class="number{" extra" if i else ""}">{escape(METRICS.get(n, n))}</th>'
        for i, n in enumerate(names)
    )
    lines = "".join(_result_line(r, names, longest, first=i == 0) for i, r in enumerate(ordered))
    return (
        '<section id="results"><h2>On rows that no model saw</h2><div class="scroll"><table class="results">'
        f'<thead><tr><th scope="col">model</th>{heads}<th scope="col" class="number">time</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div>{_split_note(record)}</section>"
    )


def _result_line(result: Any, names: list[str], longest: float, *, first: bool) -> str:
    kind = "ours" if result["role"] in _OURS else "theirs"
    note = f"<small>{escape(result['note'], longest=200)}</small>" if result.get("note") else ""
    cells = []
    for i, name in enumerate(names):
        score = _score(result, name)
        bar = ""
        if i == 0 and score is not None:
            share = min(100.0, 100 * abs(score) / longest)
            bar = (
                '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
                '<rect class="rail" width="100" height="6"/>'
                f'<rect class="value" width="{share:.1f}" height="6"/></svg>'
            )
        shown = "0" if i and score is not None and abs(score) < 5e-4 else number(score)
        cells.append(f'<td class="number {"extra" if i else "main"}">{shown}{bar}</td>')
    best = ' <span class="mark">best</span>' if first else ""
    return (
        f'<tr class="{kind}"><th scope="row">{escape(result["name"], longest=80)}{best}{note}</th>'
        f'{"".join(cells)}<td class="number">{seconds(result.get("fit_seconds"))}</td></tr>'
    )


def _split_note(record: Any) -> str:
    data = record["data"]
    split = data.get("split") or {}
    if not data.get("n_held_out"):
        return ""
    column = f"<bdi>{escape(split.get('column'), longest=60)}</bdi>"
    hows = {
        "random": "drawn at random",
        "time": f"the latest by {column}",
        "group": f"whole groups of {column}, so that no group stands on both sides",
    }
    how = hows.get(split.get("how", ""), "held out")
    return (
        f'<p class="muted">{number(data["n_held_out"])} of {number(data["n_rows"])} rows were held out: '
        f"{how}. Every model was judged on the same ones.</p>"
    )


def curves(record: Any) -> str:
    """Return the loss curves with the baselines as lines; nothing for a run of fewer than two epochs."""
    history, baselines, what = comparable(record)
    wide = loss_curves(history, baselines, width=860)
    if not wide:
        return ""
    narrow = loss_curves(history, baselines, width=340)
    lines = "Dashed lines are what the other models reach on the held-out rows. " if baselines else ""
    valid = (
        "Validation rows are training rows set aside, to see which epoch is best (ringed). "
        if any(epoch.get("valid_loss") is not None for epoch in history)
        else ""
    )
    return (
        f'<section id="learning"><h2>How it learned</h2><figure><div class="wide">{wide}</div>'
        f'<div class="narrow">{narrow}</div><figcaption class="muted">{what}, epoch by epoch. {valid}{lines}'
        "</figcaption></figure></section>"
    )


def comparable(record: Any) -> tuple[list[Any], list[Baseline], str]:
    """Return the history, the baselines in its unit, and the unit's name.

    Where the run gives its losses as scores, these are drawn. A baseline is a line only where its number
    means the same as the curve's.
    """
    metric = (record.get("target") or {}).get("metric", "")
    history = record.get("history", [])
    if any(epoch.get("valid_score") is not None for epoch in history):
        history = [
            {"epoch": e["epoch"], "train_loss": e.get("train_score"), "valid_loss": e.get("valid_score")}
            for e in history
        ]
    elif metric != "log_loss":
        return history, [], "Loss"
    others = [r for r in record.get("results", []) if r["role"] not in _OURS]
    lines = [Baseline(r["name"], score) for r in others if (score := _score(r, metric)) is not None]
    return history, lines, _capital(METRICS.get(metric, metric))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def findings(record: Any) -> str:
    """Return the sentences on what was learned."""
    found = [escape(f["text"], longest=400) for f in record.get("findings", []) if f.get("text")]
    if not found:
        return ""
    return (
        '<section id="findings"><h2>What it learned</h2><ul class="findings">'
        + "".join(f"<li>{text}</li>" for text in found)
        + "</ul></section>"
    )


def checks(record: Any) -> str:
    """Return the comparisons with truths that the model never saw, those of the usual form."""
    parts = []
    for check in (record.get("checks") or {}).values():
        if not isinstance(check, dict) or not isinstance(check.get("numbers"), dict):
            continue
        lines = "".join(
            f'<tr><td class="number">{number(_round(value))}</td>'
            f'<th scope="row">{escape(name, longest=200)}</th></tr>'
            for name, value in check["numbers"].items()
        )
        remarks = escape(" ".join(map(str, check.get("remarks") or [])), longest=1000)
        parts.append(
            f'<div class="note"><h3>{escape(check.get("title", ""), longest=200)}</h3>'
            f'<table class="check"><tbody>{lines}</tbody></table><p class="muted">{remarks}</p></div>'
        )
    if not parts:
        return ""
    return (
        '<section id="checks"><h2>Held against what the model never saw</h2>'
        f'<div class="notes">{"".join(parts)}</div></section>'
    )


def _round(value: Any) -> float | None:
    return round(float(value), 3) if isinstance(value, int | float) else None


def columns(record: Any) -> str:
    """Return the table of all columns and what each was taken for."""
    found = record.get("columns", [])
    if record["kind"] != "columns" or not found:
        return ""
    lines = []
    for i, c in enumerate(found):
        name = f"<bdi>{escape(c['name'], longest=60)}</bdi>"
        name = f'<a href="#column-{i}">{name}</a>' if c.get("vectors") else name
        cells = "".join(
            f'<td class="number" data-name="{said}">{number(c.get(field))}</td>'
            for field, said in _COUNTS_OF_COLUMN.items()
        )
        lines.append(
            f'<tr><th scope="row">{name}</th><td data-name="kind"><span>{escape(c.get("kind", ""))}'
            f"<small>{escape(c.get('why') or '', longest=200)}</small></span></td>{cells}</tr>"
        )
    heads = "".join(f'<th scope="col" class="number">{said}</th>' for said in _COUNTS_OF_COLUMN.values())
    return (
        '<section id="columns"><h2>What each column was taken for</h2><div class="scroll">'
        '<table class="stacks"><thead><tr>'
        f'<th scope="col">column</th><th scope="col">kind</th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></section>"
    )


def making(record: Any) -> str:
    """Return how the run was made and how to make it again."""
    data, machine = record["data"], record.get("machine") or {}
    command = shlex.join(str(part) for part in record.get("command", []))
    versions = " · ".join(f"{escape(n)} {escape(v)}" for n, v in (record.get("versions") or {}).items())
    unit = {"words": "words", "items": "interactions", "nodes": "edges"}.get(record["kind"], "rows")
    rows = f"{number(data.get('n_rows'))} {unit}" + (
        f": {number(data['n_train'])} to learn from, {number(data['n_held_out'])} held out"
        if data.get("n_held_out")
        else ""
    )
    pairs = [
        ("data", f"<bdi>{escape(data.get('name', ''), longest=120)}</bdi>, {rows}"),
        ("command", f"<code>{escape(command, longest=2000)}</code>"),
        ("seed", escape(record.get("seed", ""))),
        ("estimator", escape(record.get("estimator", ""))),
        ("versions", f"plectrum {escape(record.get('plectrum', ''))} · {versions}"),
        ("machine", f"{escape(machine.get('cores', '?'))} cores, {escape(machine.get('system', ''))}"),
    ]
    body = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    steps = "".join(f"<li><code>{escape(step, longest=400)}</code></li>" for step in record.get("next", []))
    after = f'<h3>What to type next</h3><ul class="next">{steps}</ul>' if steps else ""
    return f'<section id="making"><h2>How it was made</h2><dl class="making">{body}</dl>{after}</section>'
