import datetime as dt

import numpy as np
import pyarrow.parquet as pq
import pytest

from plectrum.errors import ArgumentError
from plectrum.formats import Record
from plectrum.vectors import Vectors, hand_off, load


@pytest.fixture
def record():
    rng = np.random.default_rng(0)
    keys = [f"key {i}" for i in range(40)]
    columns = {"target_mean": rng.normal(size=40), "zone": np.array(["east", None] * 20, object)}
    return Record(keys, rng.normal(size=(40, 6)).astype("f4"), np.arange(40, 0, -1), columns=columns)


def test_the_projector_folder_has_labels_counts_and_columns_to_colour_by(record, tmp_path):
    place = tmp_path / "a folder"
    assert hand_off(record, place, "projector") == f"tensorboard --logdir '{place}'"
    lines = (place / "metadata.tsv").read_text().splitlines()
    assert lines[0] == "key\tcount\ttarget_mean\tzone"
    assert lines[1] == f"key 0\t40\t{record.columns['target_mean'][0]:.6g}\teast"
    assert lines[2].endswith("\t")
    np.testing.assert_array_equal(load(place).matrix, record.matrix)


def test_the_projector_folder_is_replaced_but_nothing_else_is(record, tmp_path):
    place = tmp_path / "p"
    place.mkdir()
    for _ in range(2):
        hand_off(record, place, "projector")
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("three years")
    with pytest.raises(ArgumentError, match="holds something else"):
        hand_off(record, other, "projector")
    with pytest.raises(ArgumentError, match="is a folder"):
        hand_off(record, other, "atlas")
    assert (other / "chapter.txt").exists()


def test_any_key_becomes_one_line_for_the_projector(tmp_path):
    keys = ["a\tb\nc", "", 7, dt.date(2013, 1, 1), b"\xff", "\ud800", "x" * 10_000, True, "שלום", "🦊"]
    hand_off(Record(keys, np.eye(10, dtype="f4")), tmp_path / "p", "projector")
    lines = (tmp_path / "p" / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[:6] == ["a⇥b⏎c", "“”", "7", "2013-01-01", "b'\\xff'", "\ufffd"]
    assert lines[6].endswith("(10,000 characters)")
    assert lines[7:] == ["True", "שלום", "🦊"]


def test_the_atlas_file_has_places_and_true_neighbours(record, tmp_path):
    place = tmp_path / "atlas.parquet"
    command = hand_off(record, place, "atlas")
    assert command == f"embedding-atlas {place} --text key --x x --y y --neighbors neighbors"
    table = pq.read_table(place)
    vectors = Vectors.from_record(record)
    np.testing.assert_allclose(np.stack([table["x"], table["y"]], axis=1), vectors.project(), atol=1e-6)
    for row in (0, 17, 39):
        found = table["neighbors"][row].as_py()
        nearest = vectors.nearest(record.keys[row], k=15)
        assert [record.keys[i] for i in found["ids"]] == [key for key, _ in nearest]
        np.testing.assert_allclose(found["distances"], [1 - cosine for _, cosine in nearest], atol=1e-5)
    assert table["target_mean"].to_pylist() == record.columns["target_mean"].tolist()
    assert load(place).keys == record.keys


def test_the_atlas_keeps_the_places_of_a_run_and_labels_keys_that_are_no_text(tmp_path):
    keys = [3, 1, dt.date(2013, 1, 1)]
    places = {"x": np.array([5.0, 6, 7]), "y": np.array([1.0, 2, 3])}
    command = hand_off(Record(keys, np.eye(3), columns=places), tmp_path / "a.parquet", "atlas")
    assert "--text label" in command
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["label"].to_pylist() == ["3", "1", "2013-01-01"]
    assert table["x"].to_pylist() == [5, 6, 7]


@pytest.mark.parametrize("viewer", ["projector", "atlas"])
def test_one_vector_and_int8_are_handed_off(viewer, tmp_path):
    hand_off(Record(["a"], np.ones((1, 1), "f4")), tmp_path / "one", viewer)
    small = Vectors(["a", "b", "c"], np.eye(3)).quantize("int8", k=1)
    small.hand_off(tmp_path / "small", viewer)
    np.testing.assert_allclose(load(tmp_path / "small").matrix, np.eye(3), atol=1e-6)


def test_what_a_viewer_will_not_show_is_said(monkeypatch, record, tmp_path):
    monkeypatch.setattr("plectrum.vectors._hand_off._MOST_WITH_NEIGHBOURS", 30)
    monkeypatch.setattr("plectrum.vectors._hand_off._MOST_IN_TENSORBOARD", 30)
    with pytest.warns(UserWarning, match="neighbours of 40 keys are left out"):
        assert "--neighbors" not in hand_off(record, tmp_path / "a.parquet", "atlas")
    with pytest.warns(UserWarning, match="the first 30 of 40"):
        hand_off(record, tmp_path / "p", "projector")


def test_an_unknown_viewer_is_told_the_known_ones(record, tmp_path):
    with pytest.raises(ArgumentError, match="'projector', 'atlas'"):
        hand_off(record, tmp_path / "x", "parallax")
