import json
import subprocess
import sys

import numpy as np
import pytest

from plectrum.errors import DataError, RunError, RunExistsError
from plectrum.runs import open_run, read_run
from runs.fake_run import make_fake_run


def test_a_run_that_was_written_is_read_back(tmp_path):
    run = make_fake_run(tmp_path / "flights", levels={"dest": 7, "a/b": 3})
    assert read_run(tmp_path / "flights").record == run.record
    assert run.learned_columns == ("dest", "a/b")
    assert run.vectors_path("a/b").is_file()
    assert run.film_path("a/b").parent == tmp_path / "flights" / "film"
    assert not (tmp_path / "flights.partial").exists()
    assert sorted(p.name for p in run.folder.iterdir()) == ["film", "model", "run.json", "vectors"]


def test_nothing_appears_before_complete(tmp_path):
    with open_run(tmp_path / "r") as run:
        run.path("model", "x").write_text("1")
    assert [p.name for p in tmp_path.iterdir()] == ["r.partial"]


def test_an_existing_run_needs_force_and_stays_until_the_new_one_is_whole(tmp_path):
    make_fake_run(tmp_path / "r", levels={"dest": 7})
    with pytest.raises(RunExistsError, match="--force"):
        open_run(tmp_path / "r")
    with open_run(tmp_path / "r", force=True) as run:
        assert read_run(tmp_path / "r").column("dest")["n_levels"] == 7
        run.record |= read_run(tmp_path / "r").record | {"columns": []}
        run.complete()
    assert read_run(tmp_path / "r").learned_columns == ()
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_an_unfinished_run_needs_resume_or_force(tmp_path):
    with open_run(tmp_path / "r") as run:
        run.save_state("baselines", {"done": [1, 2]})
    with pytest.raises(RunExistsError, match="--resume"):
        open_run(tmp_path / "r")
    with open_run(tmp_path / "r", resume=True) as run:
        assert run.resumed
        assert run.load_state("baselines") == {"done": [1, 2]}
        assert run.load_state("nothing") is None
    with open_run(tmp_path / "r", force=True) as run:
        assert not run.resumed
        assert run.load_state("baselines") is None


def test_a_dropped_run_is_out_of_the_way_before_it_is_deleted(tmp_path, monkeypatch):
    """Stands for a process that is killed while it deletes."""
    from plectrum.runs import _folder

    with open_run(tmp_path / "r") as run:
        run.save_state("results", [1])
    monkeypatch.setattr(_folder.shutil, "rmtree", lambda *path, **options: None)
    with open_run(tmp_path / "r", force=True) as run:
        assert run.load_state("results") is None


def fail(folder, error, *states):
    with open_run(folder) as run:
        for state in states:
            run.save_state(state, {"target": "y"})
        raise error


def test_a_fault_of_the_data_before_any_work_leaves_no_folder(tmp_path):
    with pytest.raises(DataError):
        fail(tmp_path / "r", DataError("no target"), "settings")
    assert list(tmp_path.iterdir()) == []
    open_run(tmp_path / "r").close()


@pytest.mark.parametrize(
    ("error", "states"),
    [(DataError("after work"), ("settings", "results")), (ValueError("a defect"), ("settings",))],
)
def test_what_was_done_before_a_fault_stays_and_so_does_what_a_defect_leaves(tmp_path, error, states):
    with pytest.raises(type(error)):
        fail(tmp_path / "r", error, *states)
    assert (tmp_path / "r.partial" / "state" / "settings.json").exists()


def test_a_run_that_is_resumed_is_not_dropped(tmp_path):
    open_run(tmp_path / "r").close()
    with pytest.raises(RunError, match="other settings"), open_run(tmp_path / "r", resume=True):
        raise RunError("begun with other settings")
    assert (tmp_path / "r.partial").is_dir()


def test_resume_without_an_unfinished_run_begins_anew(tmp_path):
    with open_run(tmp_path / "r", resume=True) as run:
        assert not run.resumed


def test_two_processes_do_not_write_to_one_run(tmp_path):
    with open_run(tmp_path / "r"):
        with pytest.raises(RunError, match="another process"):
            open_run(tmp_path / "r", resume=True)
        with pytest.raises(RunError, match="another process"):
            open_run(tmp_path / "r", force=True)
    open_run(tmp_path / "r", resume=True).close()


def test_a_killed_process_lets_go_of_its_run(tmp_path):
    code = (
        "import os; from plectrum.runs import open_run;"
        f"run = open_run({str(tmp_path / 'r')!r}); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    open_run(tmp_path / "r", resume=True).close()


def test_a_record_with_a_gap_is_never_completed(tmp_path):
    with open_run(tmp_path / "r") as run, pytest.raises(RunError, match="`kind`"):
        run.complete()
    assert not (tmp_path / "r").exists()


def test_a_whole_record_makes_the_unfinished_folder_readable(tmp_path):
    done = make_fake_run(tmp_path / "done", levels={})
    with open_run(tmp_path / "r") as run:
        with pytest.raises(RunError, match="--resume"):
            read_run(run.partial)
        assert not run.is_whole
        run.record |= done.record
        assert read_run(run.write_record()).record == done.record
        assert run.is_whole


@pytest.mark.parametrize(
    ("columns", "files"),
    [
        (["dest"], ["vectors/dest.parquet"]),
        (["a.b", "a/b"], ["vectors/a.b.parquet", "vectors/a%2Fb.parquet"]),
        (["Dest", "dest"], ["vectors/Dest.parquet", "vectors/dest~2.parquet"]),
        (["", "..", "x."], ["vectors/%00.parquet", "vectors/%2E%2E.parquet", "vectors/x%2E.parquet"]),
    ],
)
def test_columns_of_any_name_get_a_file_each(tmp_path, columns, files):
    with open_run(tmp_path / "r") as run:
        found = [run.file_of(c, room="vectors", suffix=".parquet") for c in columns]
        assert found == files
        assert [run.file_of(c, room="vectors", suffix=".parquet") for c in columns] == files
        for name in found:
            run.path(*name.split("/")).write_bytes(b"")


def test_long_names_stay_apart(tmp_path):
    with open_run(tmp_path / "r") as run:
        one = run.file_of("€" * 300 + "1", room="vectors", suffix=".parquet")
        two = run.file_of("€" * 300 + "2", room="vectors", suffix=".parquet")
        assert one != two
        run.path(*one.split("/")).write_bytes(b"")


def test_numpy_and_not_a_number_become_plain_json(tmp_path):
    with open_run(tmp_path / "r") as run:
        run.save_state(
            "x", {"a": np.float32(1.5), "b": np.array([1, 2]), "c": float("nan"), "d": (np.True_,)}
        )
        assert run.load_state("x") == {"a": 1.5, "b": [1, 2], "c": None, "d": [True]}


def test_what_is_no_run_says_so(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        read_run(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"has no run\.json"):
        read_run(tmp_path)
    with open_run(tmp_path / "r"):
        with pytest.raises(RunError, match="was not finished"):
            read_run(tmp_path / "r")
        with pytest.raises(RunError, match="--resume"):
            read_run(tmp_path / "r.partial")


def damaged(run, change):
    path = run.folder / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")
    return run.folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema_version=2), "Upgrade plectrum"),
        (lambda r: r.update(schema_version="x"), "schema_version"),
        (lambda r: r.pop("schema_version"), "must be the record of a run"),
        (lambda r: r.pop("verdict"), "`verdict` of .* is absent"),
        (
            lambda r: r["results"][2].update(fit_seconds="1"),
            r"`results\[2\]\.fit_seconds` .* a number; got '1'",
        ),
        (
            lambda r: r["data"]["split"].update(how="magic"),
            r"`data\.split\.how` of .* 'random', 'time'",
        ),
        (lambda r: r["columns"][0].update(n_levels=True), r"`columns\[0\]\.n_levels`"),
        (lambda r: r["columns"][0].update(vectors="vectors/gone.parquet"), r"vectors/gone\.parquet"),
    ],
)
def test_a_damaged_record_says_where(tmp_path, change, message):
    run = make_fake_run(tmp_path / "r", levels={"dest": 3})
    with pytest.raises(RunError, match=message):
        read_run(damaged(run, change))


def test_a_field_of_a_later_version_is_left_alone(tmp_path):
    run = make_fake_run(tmp_path / "r", levels={})
    assert read_run(damaged(run, lambda r: r.update(later=1))).record["later"] == 1


def test_a_truncated_record_says_so(tmp_path):
    run = make_fake_run(tmp_path / "r", levels={})
    path = run.folder / "run.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match="breaks off"):
        read_run(run.folder)


def test_checks_are_added_to_a_finished_run(tmp_path):
    run = make_fake_run(tmp_path / "r", levels={})
    run = run.add_checks({"distance": {"rank_correlation": 0.9}})
    run = run.add_checks({"other": 1})
    assert run.record["checks"] == {"distance": {"rank_correlation": 0.9}, "other": 1}
    assert not list(run.folder.glob("*.new"))
