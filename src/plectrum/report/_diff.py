"""What changed between two runs: scores, rows that moved, neighbours gained and lost, new and gone keys."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.report._align import Alignment, align
from plectrum.report._measure import FEW_TIMES, nearest_rows, unit_rows
from plectrum.report._tables import Table, read_table
from plectrum.runs import Run, read_run

_SAMPLED = 2_000  # rows on which the share of kept neighbours is measured


@dataclass(frozen=True)
class RowDiff:
    """One key that both runs know.

    ``moved`` is the distance between its two places once A is turned onto B, in units of the usual distance
    between two rows of B. ``gained`` and ``lost`` are neighbours among the keys that both runs know.
    """

    key: Any
    label: str
    moved: float
    cosine: float
    count_a: int | None
    count_b: int | None
    gained: list[str]
    lost: list[str]


@dataclass(frozen=True)
class KeyNote:
    """A key that only one of the runs knows, and whom it stands beside there."""

    key: Any
    label: str
    count: int | None
    nearest: list[str]


@dataclass(frozen=True)
class TableDiff:
    """What changed in one table."""

    name: str
    n_a: int
    n_b: int
    dim_a: int
    dim_b: int
    n_shared: int
    n_firm: int  # of them, seen at least 10 times in both runs; movers are taken from these
    fit: float  # share of B's variance that A explains once it is turned
    scale: float  # how much larger B is
    k: int
    kept: float  # share of each key's k nearest that stayed
    chance: float
    movers: list[RowDiff]
    new: list[KeyNote]
    gone: list[KeyNote]
    n_new: int
    n_gone: int
    arrows: NDArray[np.float32]  # (n_movers, 2, 2): from, to, on B's map
    places: NDArray[np.float32]  # (n_drawn, 2): the shared keys on B's map


@dataclass(frozen=True)
class RunDiff:
    """What changed from run A to run B; `str` of it is the text for a terminal.

    Attributes
    ----------
    name_a, name_b : str
        The folders' names.
    scores : list of dict
        ``name``, ``metric``, ``a``, ``b`` of every model that both runs judged.
    tables : list of TableDiff
        One for each table that both runs have.
    only_a, only_b : list of str
        Tables that one run has.
    remarks : list of str
        What makes the runs hard to compare, such as different rows held out.
    """

    name_a: str
    name_b: str
    metric: str | None
    scores: list[dict[str, Any]]
    tables: list[TableDiff]
    only_a: list[str]
    only_b: list[str]
    remarks: list[str]

    def __str__(self) -> str:
        from plectrum.report._diff_text import diff_text

        return diff_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON types."""
        from plectrum.report._diff_text import diff_dict

        return diff_dict(self)

    def to_html(self) -> str:
        """Return the difference as one page that opens from disk."""
        from plectrum.report._diff_page import diff_page

        return diff_page(self)


def diff(
    run_a: str | os.PathLike[str] | Run,
    run_b: str | os.PathLike[str] | Run,
    *,
    column: str | None = None,
    k: int = 10,
    n_shown: int = 10,
) -> RunDiff:
    """Compare two runs: scores, and for each table that both have, what became of its rows.

    A is first turned onto B (rotation, and one scale), as two trainings put the same picture down at
    different angles. Even so, two runs on the same rows differ: compare with a run of another seed before you
    read meaning into a difference.

    Parameters
    ----------
    run_a, run_b : path or Run
        Finished run folders; B is the newer.
    column : str, optional
        Only this table.
    k : int
        How many neighbours are compared; fewer in small tables.
    n_shown : int
        How many movers, new and gone keys are listed.

    Raises
    ------
    RunError
        A folder is no finished run.
    MissingColumnError
        No such column.

    Notes
    -----
    Cost per table of n shared keys and d numbers: O(n d²) for the rotation, O(2,000 n d) for the neighbours.
    """
    a, b = (run if isinstance(run, Run) else read_run(run) for run in (run_a, run_b))
    if column is not None:
        a.column(column)
        b.column(column)
    names_a, names_b = a.learned_columns, b.learned_columns
    wanted = [name for name in names_b if name in names_a and column in (None, name)]
    return RunDiff(
        name_a=a.folder.name,
        name_b=b.folder.name,
        metric=_metric(b),
        scores=_scores(a, b),
        tables=[_diff_tables(_read(a, name), _read(b, name), k, n_shown) for name in wanted],
        only_a=[name for name in names_a if name not in names_b],
        only_b=[name for name in names_b if name not in names_a],
        remarks=_remarks(a, b),
    )


def _read(run: Run, name: str) -> Table:
    path = run.vectors_path(name)
    if path is None:
        raise AssertionError(name)  # the callers ask for learned columns only
    record: Any = run.column(name)
    return read_table(record, path, most_rows=2**62)


def _metric(run: Run) -> str | None:
    target = run.record["target"]
    return target["metric"] if target else None


def _scores(a: Run, b: Run) -> list[dict[str, Any]]:
    metric = _metric(b)
    if metric is None or metric != _metric(a):
        return []
    before = {r["name"]: r["scores"].get(metric) for r in a.record["results"]}
    return [
        {"name": r["name"], "metric": metric, "a": before[r["name"]], "b": r["scores"].get(metric)}
        for r in b.record["results"]
        if r["name"] in before
    ]


def _remarks(a: Run, b: Run) -> list[str]:
    """Return what a reader has to know before comparing scores."""
    said = []
    first, second = a.record, b.record
    if first["kind"] != second["kind"]:
        said.append(f"A learned {first['kind']}, B {second['kind']}.")
    target_a, target_b = first["target"], second["target"]
    if (target_a and target_a["name"]) != (target_b and target_b["name"]):
        said.append("The targets differ: the scores do not compare.")
    if first["data"] != second["data"]:
        said.append(
            "The data or the rows held out differ: part of a difference in scores may come from that."
        )
    elif first["seed"] != second["seed"]:
        said.append(
            f"Same data, other seed ({first['seed']}, {second['seed']}): what differs here is chance."
        )
    return said


def _diff_tables(a: Table, b: Table, k: int, n_shown: int) -> TableDiff:
    at_a = {_identity(key): i for i, key in enumerate(a.keys)}
    shared_b = np.array([i for i, key in enumerate(b.keys) if _identity(key) in at_a], np.int64)
    shared_a = np.array([at_a[_identity(b.keys[i])] for i in shared_b], np.int64)
    known_b = {_identity(key) for key in b.keys}
    new = [i for i, key in enumerate(b.keys) if _identity(key) not in at_a]
    gone = [i for i, key in enumerate(a.keys) if _identity(key) not in known_b]
    before, after = a.vectors[shared_a], b.vectors[shared_b]
    counts = np.minimum(_known(a.counts[shared_a]), _known(b.counts[shared_b]))
    turn = align(before, after, counts)
    moved = _moved(turn, before, after)
    firm = np.flatnonzero(counts >= FEW_TIMES)
    firm = firm if len(firm) >= 5 else np.arange(len(counts))
    most = firm[np.argsort(-moved[firm], kind="stable")][:n_shown]
    k = min(k, max(1, len(shared_b) // 5))
    arrows, places = _map(turn, before, after, most)
    return TableDiff(
        name=b.name,
        n_a=len(a.keys),
        n_b=len(b.keys),
        dim_a=a.vectors.shape[1],
        dim_b=b.vectors.shape[1],
        n_shared=len(shared_b),
        n_firm=int((counts >= FEW_TIMES).sum()),
        fit=turn.fit,
        scale=turn.scale,
        k=k,
        kept=_kept(before, after, k),
        chance=k / max(len(shared_b) - 1, 1),
        movers=_movers(a, b, shared_a, shared_b, turn=turn, moved=moved, most=most, k=k),
        new=[_note(b, i, k) for i in new[:n_shown]],
        gone=[_note(a, i, k) for i in gone[:n_shown]],
        n_new=len(new),
        n_gone=len(gone),
        arrows=arrows,
        places=places,
    )


def _identity(key: Any) -> tuple[bool, Any]:
    """Return what tells keys apart as a vocabulary does: True is not 1, but 1.0 is."""
    return isinstance(key, bool), key


def _known(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts with rows of unknown count taken as well seen."""
    return np.where(np.isfinite(counts), counts, 1e3)


def _moved(turn: Alignment, before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far each row moved, in units of the usual distance between two rows of B."""
    if len(after) == 0:
        return np.zeros(0)
    distance = np.linalg.norm(turn.turned(before) - turn.centred(after), axis=1).astype(np.float64)
    # The root of the mean squared distance between two rows is sqrt(2) times that to the middle.
    usual = float(np.sqrt(2 * (turn.centred(after) ** 2).sum(axis=1, dtype=np.float64).mean()))
    return distance / usual if usual > 0 else distance


def _kept(before: NDArray[np.float32], after: NDArray[np.float32], k: int) -> float:
    """Return the share of each row's k nearest (cosine) that stayed; on at most 2,000 rows."""
    n = len(after)
    if n < 3:
        return float("nan")
    rows = (
        np.arange(n)
        if n <= _SAMPLED
        else np.sort(np.random.default_rng(0).choice(n, _SAMPLED, replace=False))
    )
    first, second = nearest_rows(unit_rows(before), rows, k), nearest_rows(unit_rows(after), rows, k)
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())


def _movers(
    a: Table,
    b: Table,
    shared_a: NDArray[np.int64],
    shared_b: NDArray[np.int64],
    *,
    turn: Alignment,
    moved: NDArray[np.float64],
    most: NDArray[np.int64],
    k: int,
) -> list[RowDiff]:
    before, after = a.vectors[shared_a], b.vectors[shared_b]
    if len(after) < 2 or len(most) == 0:
        return []
    near_a, near_b = nearest_rows(unit_rows(before), most, k), nearest_rows(unit_rows(after), most, k)
    ends_a, ends_b = unit_rows(turn.turned(before[most])), unit_rows(turn.centred(after[most]))
    labels = [b.labels[i] for i in shared_b]
    return [
        RowDiff(
            key=b.keys[shared_b[row]],
            label=labels[row],
            moved=float(moved[row]),
            cosine=float(ends_a[j] @ ends_b[j]),
            count_a=_count(a, int(shared_a[row])),
            count_b=_count(b, int(shared_b[row])),
            gained=[labels[i] for i in near_b[j] if i not in near_a[j]],
            lost=[labels[i] for i in near_a[j] if i not in near_b[j]],
        )
        for j, row in enumerate(most)
    ]


def _count(table: Table, row: int) -> int | None:
    count = table.counts[row]
    return int(count) if np.isfinite(count) else None


def _note(table: Table, row: int, k: int) -> KeyNote:
    n_near = min(3, k, len(table.keys) - 1)
    near = nearest_rows(unit_rows(table.vectors), np.array([row]), n_near)[0] if n_near > 0 else []
    return KeyNote(table.keys[row], table.labels[row], _count(table, row), [table.labels[i] for i in near])


def _map(
    turn: Alignment, before: NDArray[np.float32], after: NDArray[np.float32], most: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the movers' two places and all shared keys on the plane in which B's keys differ most."""
    centred = turn.centred(after)
    if len(centred) == 0 or centred.shape[1] == 0:
        return np.zeros((0, 2, 2), np.float32), np.zeros((0, 2), np.float32)
    _, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    axes = vectors[:, ::-1][:, :2].astype(np.float32)
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    places = centred @ axes
    return np.stack([turn.turned(before[most]) @ axes, places[most]], axis=1), places[:1000]
