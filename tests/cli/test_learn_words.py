import json
import math

import pytest

import plectrum as library
from cli.command import plectrum as plectrum_process
from cli.command import plectrum_here as plectrum
from plectrum.runs import read_run
from text.grouped_text import TEXT

QUICK = ("--embedding-dim", 8, "--epochs", 2, "--threads", 1, "--quiet")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(" ".join(line) for line in TEXT))
    return path


@pytest.mark.parametrize("method", ["skip-gram", "cbow", "fasttext", "glove"])
def test_a_text_becomes_a_run_folder(text, tmp_path, method):
    out = tmp_path / "run"
    done = plectrum("learn", "words", text, "--out", out, "--method", method, *QUICK)
    done.assert_succeeds()
    assert "nearest to" in done.out
    record = read_run(out).record
    assert record["kind"] == "words"
    assert record["data"]["n_rows"] == 1500 * 12
    assert len(record["history"]) == 2
    assert (out / "report.html").stat().st_size > 1000
    vectors = library.load(out / "vectors" / "words.parquet")
    assert len(vectors) == 40
    again = library.load_run(out)
    assert type(again).__name__ == record["estimator"]
    assert (again.vectors_.matrix == vectors.matrix).all()
    near = plectrum("near", out, "a3", "-k", 3)
    near.assert_succeeds()
    assert len(near.out.splitlines()) == 3


def test_json_is_one_document_and_an_existing_run_is_kept(text, tmp_path):
    out = tmp_path / "run"
    done = plectrum("learn", "words", text, "--out", out, "--json", *QUICK)
    done.assert_succeeds()
    assert json.loads(done.out)["estimator"] == "Word2Vec"
    plectrum("learn", "words", text, "--out", out, *QUICK).assert_fails(1, "--force")
    plectrum("learn", "words", text, "--out", out, "--force", *QUICK).assert_succeeds()


def test_what_is_wrong_with_a_text_is_said(tmp_path):
    plectrum("learn", "words", tmp_path / "absent.txt", "--out", tmp_path / "a").assert_fails(1, "absent.txt")
    (tmp_path / "few.txt").write_text("a b c")
    plectrum("learn", "words", tmp_path / "few.txt", "--out", tmp_path / "b").assert_fails(1, "min_count")


def test_frequent_words_are_passed_over_as_often_as_sample_says(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" the ".join(line) for line in TEXT[:300]))
    quick = ("--embedding-dim", 4, "--epochs", 1, "--threads", 1, "--quiet")
    found = {}
    for name, options in {"default": (), "none": ("--sample", 0)}.items():
        plectrum("learn", "words", text, "--out", tmp_path / name, *options, *quick).assert_succeeds()
        found[name] = library.load_run(tmp_path / name)
    assert {name: model.sample for name, model in found.items()} == {"default": 1e-3, "none": 0}
    assert (found["default"].vectors_["the"] != found["none"].vectors_["the"]).any()
    refused = plectrum("learn", "words", text, "--out", tmp_path / "g", "--method", "glove", "--sample", 0)
    refused.assert_fails(2, "--sample", "glove")


def test_a_text_at_fault_leaves_nothing_in_the_way_of_the_next_try(text, tmp_path):
    (tmp_path / "few.txt").write_text("a b c")
    out = tmp_path / "run"
    plectrum("learn", "words", tmp_path / "few.txt", "--out", out, *QUICK).assert_fails(1, "min_count")
    assert not (tmp_path / "run.partial").exists()
    plectrum("learn", "words", text, "--out", out, *QUICK).assert_succeeds()


def test_standard_input_is_a_text_too(text, tmp_path):
    out = tmp_path / "run"
    done = plectrum_process("learn", "words", "-", "--out", out, *QUICK, stdin=text.read_bytes())
    done.assert_succeeds()
    assert read_run(out).record["data"]["name"] == "-"
    assert "words a second" in done.out


def test_a_text_of_a_few_words_is_not_thinned_to_nothing(tmp_path):
    few = tmp_path / "few.txt"
    few.write_text("a b c a b c\nb c a\n", encoding="utf-8")
    plectrum("learn", "words", few, "--out", tmp_path / "run", "--min-count", 1, *QUICK).assert_succeeds()
    history = read_run(tmp_path / "run").record["history"]
    assert all(math.isfinite(epoch["train_loss"]) for epoch in history)
