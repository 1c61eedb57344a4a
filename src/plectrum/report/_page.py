"""A run folder in, one HTML file out."""

import base64
import hashlib
import os
from importlib import resources
from pathlib import Path
from typing import Any

from plectrum.errors import check_choice
from plectrum.report import _sections as sections
from plectrum.report._column import column_section, measure_name, noun_of
from plectrum.report._legible import escape
from plectrum.report._measure import by_tellingness, map_honesty
from plectrum.report._pack import pack_table
from plectrum.report._step import explained_step
from plectrum.report._tables import MAPS, Table, read_tables, redrawn
from plectrum.runs import Run, read_run
from plectrum.vectors import legible

_SCRIPTS = ("decode.js", "colour.js", "raster.js", "map.js", "card.js", "search.js", "column.js", "main.js")


def write_report(
    run: str | os.PathLike[str] | Run,
    path: str | os.PathLike[str] | None = None,
    *,
    map_by: str = "pca",
) -> Path:
    """Render a run folder as one HTML page and return where it was written.

    The page opens from disk and asks the network for nothing; its content security policy holds it to that.
    Everything in it comes from ``run.json``, ``vectors/`` and ``film/``.

    Parameters
    ----------
    run : path or Run
        A finished run folder.
    path : path, default ``report.html`` in the run folder
        Where to write; replaced whole when it is there.
    map_by : {"pca", "tsne", "umap"}
        How rows are placed on the maps. The principal components are what the film is seen on; the others
        often keep more neighbours (the page says how many), and have no film and no axes.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunError
        The folder is no finished run.
    FormatError
        A file of vectors is damaged.
    OptionalDependencyError
        ``map_by="umap"`` without the package `umap-learn`.

    Notes
    -----
    Cost: for a table of n rows and d numbers, O(min(n, 10,000)² d) time to measure what the map keeps (beyond
    10,000 rows, 1,000 of them are measured), and about ``n (d + 3 n_snapshots)`` bytes, at most some 10 MB.
    """
    run = run if isinstance(run, Run) else read_run(run)
    target = run.report_path if path is None else Path(path)
    page = render(run, map_by=map_by)
    beside = target.with_name(target.name + ".new")
    beside.write_bytes(page.encode("utf-8"))
    beside.replace(target)
    return target


def render(run: Run, *, map_by: str = "pca") -> str:
    """Return the page of a run as text."""
    check_choice(map_by, MAPS, argument="map_by", owner="write_report")
    record: Any = run.record
    tables = [redrawn(table, map_by) for table in by_tellingness(read_tables(run))]
    title = sections.question(record).replace("<bdi>", "").replace("</bdi>", "")
    body = (
        sections.opening(record)
        + "<main>"
        + sections.results(record)
        + sections.curves(record)
        + sections.findings(record)
        + sections.checks(record)
        + _maps(tables, record)
        + explained_step(run)
        + sections.columns(record)
        + sections.making(record)
        + "</main>"
    )
    return wrap(title, body, scripts=_SCRIPTS)


def wrap(title: str, body: str, *, scripts: tuple[str, ...]) -> str:
    """Return a whole page: style and scripts inside it, and a policy that lets nothing else run or load."""
    style = page_file("style.css")
    parts = "\n".join(page_file(name) for name in scripts)
    script = f'"use strict";\n(() => {{\n{parts}\n}})();\n'
    early = 'document.documentElement.classList.add("js");'
    policy = (
        f"default-src 'none'; script-src {_hash(script)} {_hash(early)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<title>{title}</title>\n<link rel="icon" href="data:,">\n<script>{early}</script>\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}\n<script>{script}</script>\n</body>\n</html>\n"
    )


def page_file(name: str) -> str:
    """Return one of the plain files that the page is made of."""
    text = (resources.files("plectrum.report") / "page" / name).read_text(encoding="utf-8")
    if "</script" in text or "</style" in text:
        raise ValueError(f"{name} must not close its own element.")
    return text


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _maps(tables: list[Table], record: Any) -> str:
    """Return the sections of all tables, with links to them above."""
    if not tables:
        return ""
    at = {c["name"]: i for i, c in enumerate(record["columns"])}
    bytes_of = [t.vectors.size + (0 if t.frames is None else 4 * t.frames[..., 0].size) for t in tables]
    parts = []
    for table, size in zip(tables, bytes_of, strict=True):
        honesty = map_honesty(table)
        packed = pack_table(table, honesty, share=size / (sum(bytes_of) or 1), notes=_notes_of(table, record))
        parts.append(column_section(at[table.name], table, honesty, record, packed))
    links = "".join(
        f'<a href="#column-{at[t.name]}"><bdi>{escape(t.name, longest=40)}</bdi></a>' for t in tables
    )
    nav = f'<nav class="tables" aria-label="Tables">{links}</nav>' if len(tables) > 1 else ""
    return nav + "".join(parts)


def _notes_of(table: Table, record: Any) -> dict[str, Any]:
    """Return what the page's script has to know of the run to speak of a table."""
    target = record.get("target") or {}
    name = legible(target["name"], longest=60) if target else None
    return {
        "noun": noun_of(record["kind"], table.name),
        "unit": legible(target["unit"], longest=20) if target.get("unit") else None,
        "target_mean": target.get("mean"),
        "names": {m: measure_name(m, name) for m in [*table.measures, *table.groups]},
    }
