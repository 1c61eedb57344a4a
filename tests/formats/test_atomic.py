import pytest

from plectrum.formats import atomic_path


def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path):
    place = tmp_path / "new" / "a.txt"
    with atomic_path(place) as beside:
        beside.write_text("whole")
        assert not place.exists()
    assert place.read_text() == "whole"
    assert [p.name for p in place.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    place = tmp_path / "a.txt"
    place.write_text("old")

    def fail():
        with atomic_path(place) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert place.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    place = tmp_path / "folder"
    for text in ("old", "new"):
        with atomic_path(place) as beside:
            beside.mkdir()
            (beside / text).write_text(text)
    assert [p.name for p in place.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
