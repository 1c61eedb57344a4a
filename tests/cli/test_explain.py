import json

import pytest

import plectrum as library
from cli.command import plectrum_here as plectrum

FRAME = "day,rain,visitors\n" + "".join(
    f"{day},{i % 7},{i}\n" for i, day in enumerate(["Mon", "Tue", "Wed"] * 10)
)


def test_without_a_file_a_dozen_rows_are_explained():
    done = plectrum("explain")
    done.assert_succeeds()
    for part in ("Mon", "sum", "untouched", "slope", "The same batch again"):
        assert part in done.out


def test_the_record_comes_as_one_json_document(tmp_path):
    file = tmp_path / "museum.csv"
    file.write_text(FRAME)
    done = plectrum(
        "explain", file, "--target", "visitors", "--column", "day", "--optimizer", "adamw", "--json"
    )
    done.assert_succeeds()
    record = json.loads(done.out)
    assert (record["focus"], record["target"], record["optimizer"]) == ("day", "visitors", "adamw")


def test_a_text_is_explained_by_one_window(tmp_path):
    file = tmp_path / "tale.txt"
    file.write_text("the king rules the land\nthe queen rules the sea\n")
    done = plectrum("explain", file, "--word", "queen")
    done.assert_succeeds()
    assert "seen beside it" in done.out


def test_a_page_is_written_whole(tmp_path):
    done = plectrum("explain", "--page", tmp_path / "step.html")
    done.assert_succeeds()
    assert (tmp_path / "step.html").read_text().startswith("<!doctype html>")
    assert done.out == ""


def test_wrong_use_says_the_way_out(tmp_path):
    file = tmp_path / "museum.csv"
    file.write_text(FRAME)
    plectrum("explain", file).assert_fails(1, "--target", "museum.csv")
    plectrum("explain", file, "--target", "vistors").assert_fails(1, "'vistors'", "'visitors'")
    plectrum("explain", file, "--target", "visitors", "--row", 99).assert_fails(1, "99")
    plectrum("explain", tmp_path / "none.txt").assert_fails(1, "none.txt")
    plectrum("explain", "--optimizer", "lion").assert_fails(1, "'lion'", "adamw")


def test_a_step_starts_from_what_a_run_of_words_learned(tmp_path):
    file, run = tmp_path / "tale.txt", tmp_path / "run"
    file.write_text("the king rules the land\nthe queen rules the sea\n" * 20)
    quick = ("--embedding-dim", 4, "--epochs", 1, "--threads", 1, "--quiet")
    plectrum("learn", "words", file, "--out", run, *quick).assert_succeeds()
    done = plectrum("explain", file, "--run", run, "--word", "queen", "--optimizer", "adam", "--json")
    done.assert_succeeds()
    record = json.loads(done.out)
    assert (record["step"], record["warm_up"]) == ("trained", 4)
    assert record["tables"][0]["rows"][0]["key"] == "queen"
    assert 'id="step"' in (run / "report.html").read_text(encoding="utf-8")
    plectrum("explain", file, "--step", "trained").assert_fails(1, "--run")
    plectrum("explain", "--run", run).assert_fails(1, "FILE", "--run")


@pytest.mark.filterwarnings("ignore::plectrum.errors.SmallDataWarning")
def test_a_step_starts_from_what_a_run_of_columns_learned(tmp_path):
    file, run = tmp_path / "museum.csv", tmp_path / "run"
    file.write_text(FRAME)
    learn = ("learn", "columns", file, "--target", "visitors", "--out", run)
    plectrum(*learn, "--epochs", 2, "--quiet").assert_succeeds()
    record = json.loads(plectrum("explain", file, "--run", run, "--column", "day", "--json").out)
    assert (record["step"], record["target"]) == ("trained", "visitors")
    start = library.load(run / "vectors" / "day.parquet")
    first = record["tables"][0]["rows"][0]
    assert first["before"] == pytest.approx(start[first["key"]].tolist(), abs=0.05)


def test_a_run_of_labelled_texts_has_no_step_to_show_and_says_so(tmp_path):
    file, run = tmp_path / "said.csv", tmp_path / "run"
    file.write_text("text,label\n" + "good day,yes\nbad night,no\n" * 30)
    labels = ("--text", "text", "--label", "label", "--out", run)
    plectrum("learn", "labels", file, *labels, "--epochs", 1, "--quiet").assert_succeeds()
    plectrum("explain", file, "--run", run).assert_fails(1, "TextClassifier")
