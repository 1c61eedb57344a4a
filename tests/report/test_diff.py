import json

import numpy as np
import pytest

from plectrum import formats, report
from plectrum.errors import MissingColumnError, RunError
from plectrum.runs import read_run
from report.fake_table import make_run_of


def rewrite(run, change) -> None:
    """Let `change` alter the record of vectors of a run's only table, and write it back."""
    path = run.vectors_path("place")
    rows = formats.read(path)
    formats.write(change(rows), path, format="parquet")


@pytest.fixture
def runs(tmp_path):
    keys = [f"k{i}" for i in range(60)]
    return [make_run_of(tmp_path / name, keys) for name in "ab"]


def test_a_turned_copy_has_no_movers_and_the_same_neighbours(runs):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]

    def turned(rows):
        rows.matrix = (2 * rows.matrix @ turn + 1).astype(np.float32)
        return rows

    rewrite(runs[1], turned)
    found = report.diff(*(run.folder for run in runs)).tables[0]
    assert found.fit == pytest.approx(1, abs=1e-4)
    assert found.scale == pytest.approx(2, rel=1e-3)
    assert max(mover.moved for mover in found.movers) < 1e-3


def test_the_row_that_moved_is_named_first_with_its_neighbours(runs):
    def moved(rows):
        matrix = np.array(rows.matrix)
        matrix[7] = matrix[20] * 1.01
        rows.matrix = matrix
        return rows

    rewrite(runs[1], moved)
    found = report.diff(*runs).tables[0]
    mover = found.movers[0]
    assert mover.key == "k7"
    assert mover.moved > 3 * found.movers[1].moved
    assert "k20" in mover.gained
    assert mover.lost
    assert found.kept > 0.8
    assert "k20" in str(report.diff(*runs))


def test_rows_seen_seldom_are_not_named_as_movers(runs):
    def moved(rows):
        matrix = np.array(rows.matrix)
        matrix[3] *= -5
        rows.matrix = matrix
        rows.counts = np.where(np.arange(60) == 3, 2, rows.counts)
        return rows

    rewrite(runs[1], moved)
    assert "k3" not in [mover.key for mover in report.diff(*runs).tables[0].movers]


def test_new_and_gone_keys_are_listed_with_their_neighbours(tmp_path):
    a = make_run_of(tmp_path / "a", ["x", "y", *range(20)])
    b = make_run_of(tmp_path / "b", ["y", "z", *range(20)])
    found = report.diff(a, b).tables[0]
    assert (found.n_shared, found.n_new, found.n_gone) == (21, 1, 1)
    assert [note.key for note in found.new] == ["z"]
    assert [note.key for note in found.gone] == ["x"]
    assert len(found.new[0].nearest) == 3


def test_true_is_not_one_and_a_whole_float_is(tmp_path):
    a = make_run_of(tmp_path / "a", [True, 2, "s", "t", "u", "v"])
    b = make_run_of(tmp_path / "b", [1, 2.0, "s", "t", "u", "v"])
    found = report.diff(a, b).tables[0]
    assert [note.key for note in found.new] == [1]
    assert [note.key for note in found.gone] == [True]
    assert found.n_shared == 5


def test_the_record_is_json_and_keeps_the_types_of_keys(tmp_path):
    run = make_run_of(tmp_path / "a", [*range(30)])
    record = json.loads(json.dumps(report.diff(run, run).to_dict(), allow_nan=False))
    assert record["tables"][0]["movers"][0]["key"] in range(30)
    assert record["tables"][0]["kept"] == 1


def test_scores_and_remarks_say_what_compares_and_what_does_not(tmp_path):
    result = {"name": "plectrum network", "role": "network", "fit_seconds": 1.0, "note": None}
    a = make_run_of(tmp_path / "a", ["x"] * 0 + [*"pqrstu"], results=[result | {"scores": {"rmse": 8.0}}])
    b = make_run_of(tmp_path / "b", [*"pqrstu"], results=[result | {"scores": {"rmse": 6.0}}], seed=1)
    found = report.diff(a, b)
    assert found.scores == [{"name": "plectrum network", "metric": "rmse", "a": 8.0, "b": 6.0}]
    assert "−25.0 %" in str(found)
    b.record["data"]["n_rows"] = 7
    assert any("held out differ" in remark for remark in report.diff(a, b).remarks)


def test_a_column_can_be_chosen_and_must_be_there(runs):
    assert [t.name for t in report.diff(*runs, column="place").tables] == ["place"]
    with pytest.raises(MissingColumnError, match="`column`"):
        report.diff(*runs, column="nowhere")


def test_tables_that_one_run_lacks_are_named(tmp_path):
    a, b = (
        make_run_of(tmp_path / "a", [*"xyz"], name="first"),
        make_run_of(tmp_path / "b", [*"xyz"], name="second"),
    )
    found = report.diff(a, b)
    assert (found.only_a, found.only_b, found.tables) == (["first"], ["second"], [])
    assert "only A has a table for: first" in str(found)


def test_runs_without_a_key_in_common_have_a_difference(tmp_path):
    a, b = make_run_of(tmp_path / "a", [*"xyz"]), make_run_of(tmp_path / "b", [*"pqr"])
    found = report.diff(a, b)
    assert found.tables[0].n_shared == 0
    assert found.to_html()
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_page_holds_movers_and_escapes_names(tmp_path):
    keys = ["<script>alert(1)</script>", *(f"k{i}" for i in range(11))]
    a, b = make_run_of(tmp_path / "a", keys), make_run_of(tmp_path / "b", [*keys, "new"], seed=5)
    page = report.diff(a, b, n_shown=12).to_html()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count('class="way"') == 2 * 12  # for wide and for narrow windows
    assert "New (1)" in page


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    run = make_run_of(tmp_path / "a", [*"xyz"])
    with pytest.raises(RunError):
        report.diff(read_run(run.folder), tmp_path / "nothing")
