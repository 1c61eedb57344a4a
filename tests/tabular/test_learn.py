import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest

import plectrum
from plectrum.errors import DataError, RunError
from plectrum.runs import open_run, read_run
from plectrum.tabular import learn_columns


class Stop(BaseException):
    """What a test throws to stop a job, as Ctrl-C does."""


class Listener:
    """Takes note of what it is told, and stops the job when it comes to a certain point."""

    def __init__(self, stop_at=None):
        self.stages, self.warnings, self.epochs, self.stop_at = [], [], [], stop_at

    def stage(self, text):
        self.stages.append(text)
        if text == self.stop_at:
            raise Stop

    def progress(self, progress):
        if progress.epoch_is_done:
            self.epochs.append(progress.epoch)
            if self.stop_at == progress.epoch:
                raise Stop

    def warn(self, text):
        self.warnings.append(text)


def make_frame(n=600, seed=0):
    rng = np.random.default_rng(seed)
    shop, item = rng.choice(["a", "b", "c", "d"], n), rng.integers(100, 130, n)
    day = [dt.date(2020, 1, 1) + dt.timedelta(int(d)) for d in rng.integers(0, 90, n)]
    sales = np.char.find("abcd", shop) + np.sin(item) + 0.1 * rng.normal(size=n)
    return pa.table(
        {
            "shop": [None if rng.random() < 0.05 else s for s in shop],
            "item_id": item,
            "day": day,
            "price": rng.normal(size=n),
            "note": ["x"] * n,
            "sales": sales,
        }
    )


def learn(folder, frame=None, *, resume=False, listener=None, target="sales", **options):
    listener = listener or Listener()
    options = {"epochs": 4, "seed": 3} | options
    with open_run(folder, resume=resume) as run:
        learn_columns(make_frame() if frame is None else frame, target, run=run, listener=listener, **options)
        run.complete()
    return read_run(folder), listener


def scores(run):
    return {r["name"]: r["scores"] for r in run.record["results"]}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run that nothing disturbed."""
    return learn(tmp_path_factory.mktemp("runs") / "whole")[0]


def test_the_run_holds_what_the_schema_says(done):
    record = done.record
    assert record["estimator"] == "EmbeddingRegressor"
    assert record["target"]["kind"] == "regression"
    assert record["data"]["n_train"] + record["data"]["n_held_out"] == record["data"]["n_rows"] == 600
    assert [r["role"] for r in record["results"]] == [
        "constant",
        "linear",
        "boosting",
        "boosting",
        "network",
        "vectors",
    ]
    assert all(set(r["scores"]) == {"rmse", "mae", "r2"} for r in record["results"])
    assert [e["epoch"] for e in record["history"]] == [1, 2, 3, 4]
    seconds = [e["seconds"] for e in record["history"]]
    assert seconds == sorted(seconds)
    assert record["verdict"]
    assert record["next"][0].startswith("plectrum near ")


def test_columns_are_recorded_with_their_kind_and_counts(done):
    shop, note = done.column("shop"), done.column("note")
    assert shop["kind"] == "categorical"
    assert shop["n_levels"] == 4
    assert 0 < shop["n_missing"] < 60
    assert note["kind"] == "ignored"
    assert note["vectors"] is None
    assert done.column("price")["kind"] == "numeric"
    assert done.column("day")["kind"] == "date"
    assert {"shop", "item_id", "day_month", "day_weekday"} <= set(done.learned_columns)


def test_vectors_are_those_of_the_model(done):
    estimator = plectrum.load_run(done.folder)
    for name in done.learned_columns:
        kept, live = done.vectors(name), estimator.vectors_[name]
        assert list(kept.keys) == list(live.keys)
        np.testing.assert_array_equal(kept.matrix, live.matrix)
        np.testing.assert_array_equal(kept.unknown, live.unknown)
        np.testing.assert_array_equal(kept.missing, live.missing)


def test_target_means_are_those_of_the_training_rows(done):
    import pyarrow.parquet as pq

    lines = pq.read_table(done.vectors_path("shop")).to_pylist()
    means = {line["key"]: line["target_mean"] for line in lines}
    assert sorted(means, key=means.get) == ["a", "b", "c", "d"]
    assert means["d"] - means["a"] == pytest.approx(3, abs=0.3)
    assert all(line["moved"] > 0 and line["n_updates"] > 0 for line in lines)


def test_the_film_ends_on_the_map(done):
    import pyarrow.parquet as pq
    from safetensors.numpy import load_file

    film = load_file(done.film_path("item_id"))
    paths, rows = film["paths"], film["rows"]
    assert len(paths) == len(done.record["film"]["snapshots"])
    frame = pq.read_table(done.vectors_path("item_id"))
    xy = np.column_stack([frame["x"], frame["y"]])[rows]
    np.testing.assert_allclose(paths[-1], xy, atol=2e-3)
    steps = [s["step"] for s in done.record["film"]["snapshots"]]
    assert steps == sorted(steps)


def test_the_map_keeps_as_much_as_two_dimensions_can(done):
    import pyarrow.parquet as pq

    frame = pq.read_table(done.vectors_path("item_id"))
    xy = np.column_stack([frame["x"], frame["y"]])
    matrix = done.vectors("item_id").matrix
    values = np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False)
    assert np.square(xy).sum() == pytest.approx(np.square(values[:2]).sum(), rel=1e-4)


def test_a_finding_speaks_of_a_row_and_its_neighbour(done):
    finding = next(f for f in done.record["findings"] if f["column"] == "item_id")
    vectors = done.vectors("item_id")
    key = int(finding["key"])
    assert finding["text"].endswith(f"nearest now: {vectors.nearest(key, k=1)[0][0]}")


@pytest.mark.parametrize(
    "moment", [1, 3, "writing vectors", "comparing: one-hot + linear model", "judging the plectrum network"]
)
def test_a_run_that_was_stopped_goes_on_to_the_same_scores(tmp_path, done, moment):
    with pytest.raises(Stop):
        learn(tmp_path / "run", listener=Listener(stop_at=moment))
    assert not (tmp_path / "run").exists()
    again, listener = learn(tmp_path / "run", resume=True)
    assert scores(again) == scores(done)
    assert again.record["film"] == done.record["film"]
    assert again.record["findings"] == done.record["findings"]
    if isinstance(moment, int):
        assert listener.epochs == list(range(moment + 1, 5))
    else:
        assert listener.epochs == []


def test_a_resumed_run_must_be_given_the_same(tmp_path):
    with pytest.raises(Stop):
        learn(tmp_path / "run", listener=Listener(stop_at=1))
    with pytest.raises(RunError, match="`seed` was 3, got 4"):
        learn(tmp_path / "run", resume=True, seed=4)
    with pytest.raises(RunError, match="`n_rows` was 600, got 500"):
        learn(tmp_path / "run", make_frame(500), resume=True)
    with pytest.raises(RunError, match="`rows` was"):
        learn(tmp_path / "run", make_frame(seed=1), resume=True)


def test_held_out_rows_change_nothing_that_is_learned(tmp_path, done):
    """The held-out rows get another target; the vectors must stay as they are."""
    from plectrum import frames

    frame = make_frame()
    _, held_out = frames.split_rows(len(frame), valid_share=0.1, seed=3)
    sales = frame["sales"].to_numpy().copy()
    sales[held_out] = -1e6
    other, _ = learn(tmp_path / "run", frame.set_column(5, "sales", [sales]))
    for name in done.learned_columns:
        np.testing.assert_array_equal(other.vectors(name).matrix, done.vectors(name).matrix)


@pytest.mark.parametrize(("by", "option"), [("day", "time"), ("shop", "group")])
def test_rows_are_held_out_by_time_or_group(tmp_path, by, option):
    frame = make_frame().drop_columns("note")
    run, _ = learn(tmp_path / "run", frame, baselines=False, **{option: by})
    assert run.record["data"]["split"] == {"how": option, "column": by, "share": 0.1}
    assert [r["role"] for r in run.record["results"]] == ["network"]


def test_two_classes(tmp_path):
    frame = make_frame()
    late = pa.array(np.where(frame["sales"].to_numpy() > 1.5, "yes", "no"))
    frame = frame.set_column(5, "late", late)
    run, _ = learn(tmp_path / "run", frame, target="late")
    assert run.record["target"]["kind"] == "binary"
    assert run.record["target"]["classes"] == ["no", "yes"]
    assert set(run.record["results"][0]["scores"]) == {"log_loss", "accuracy", "roc_auc"}
    assert plectrum.load_run(run.folder).classes_.tolist() == ["no", "yes"]


def test_many_classes_one_of_them_rare(tmp_path):
    frame = make_frame()
    size = np.digitize(frame["sales"].to_numpy(), [0.5, 1.5, 2.5]).astype(str)
    size[7] = "odd"
    run, listener = learn(tmp_path / "run", frame.set_column(5, "size", pa.array(size)), target="size")
    assert run.record["target"]["kind"] == "multiclass"
    assert all(np.isfinite(r["scores"]["log_loss"]) for r in run.record["results"])
    assert any("one row only" in text for text in listener.warnings)


def test_whole_numbers_can_be_classes(tmp_path):
    frame = make_frame()
    stars = pa.array(np.digitize(frame["sales"].to_numpy(), [0.5, 1.5]))
    frame = frame.set_column(5, "stars", stars)
    by_default, _ = learn(tmp_path / "a", frame, target="stars", baselines=False)
    assert by_default.record["target"]["kind"] == "regression"
    as_classes, _ = learn(tmp_path / "b", frame, target="stars", baselines=False, task="classification")
    assert as_classes.record["target"]["classes"] == [0, 1, 2]


def test_kinds_can_be_overruled(tmp_path):
    run, _ = learn(
        tmp_path / "run", baselines=False, ignore=["day"], numeric=["item_id"], categorical=["note"]
    )
    kinds = {c["name"]: c["kind"] for c in run.record["columns"]}
    assert (kinds["day"], kinds["item_id"], kinds["note"]) == ("ignored", "numeric", "categorical")


def test_rare_levels_are_not_read_into(tmp_path):
    rng = np.random.default_rng(0)
    frame = pa.table({"who": [f"w{i % 150}" for i in range(300)], "sales": rng.normal(size=300)})
    run, _ = learn(tmp_path / "run", frame, baselines=False)
    (finding,) = run.record["findings"]
    n = run.column("who")["n_levels"]
    assert finding["text"].startswith(
        f"{n} of the {n} levels of who have fewer than 5 rows: do not read meaning"
    )


def test_without_a_listener_warnings_are_pythons(tmp_path):
    with open_run(tmp_path / "run") as run, pytest.warns() as told:
        learn_columns(make_frame(40), "sales", run=run, epochs=1, baselines=False)
    assert any("There are 40 rows" in str(warning.message) for warning in told)


def test_noise_is_called_noise(tmp_path):
    rng = np.random.default_rng(0)
    frame = pa.table({"shop": rng.choice(["a", "b", "c"], 800), "sales": rng.normal(size=800)})
    run, _ = learn(tmp_path / "run", frame)
    assert run.record["verdict"].startswith("Nothing here predicts the target")


def test_the_record_is_plain_json(done):
    text = (done.folder / "run.json").read_text(encoding="utf-8")
    assert json.loads(text) == done.record
    assert "NaN" not in text


def test_a_target_of_names_is_refused(tmp_path):
    frame = pa.table({"shop": ["a", "b"] * 60, "name": [f"n{i // 2}" for i in range(120)]})
    with pytest.raises(DataError, match="classes"):
        learn(
            tmp_path / "run",
            frame.append_column("who", pa.array([f"w{i}" for i in range(120)])),
            target="who",
        )
