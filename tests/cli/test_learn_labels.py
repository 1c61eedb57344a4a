import json

import numpy as np
import pandas as pd
import pytest

import plectrum as library
from cli.command import plectrum_here as plectrum
from plectrum.runs import read_run

QUICK = ("--embedding-dim", 8, "--epochs", 9, "--quiet")


@pytest.fixture
def file(tmp_path):
    random = np.random.default_rng(0)
    words = {"good": ["fine", "great", "warm"], "bad": ["dull", "cold", "poor"]}
    rows = [
        (" ".join([*random.choice(words[label], 3), "film", "the"]), label)
        for label in random.choice(list(words), 400)
    ]
    frame = pd.DataFrame([*rows, (None, "good"), ("no label", None)], columns=["said", "means"])
    frame.to_csv(tmp_path / "said.csv", index=False)
    return tmp_path / "said.csv"


def test_texts_and_labels_become_a_run_folder(file, tmp_path):
    out = tmp_path / "run"
    done = plectrum("learn", "labels", file, "--text", "said", "--label", "means", "--out", out, *QUICK)
    done.assert_succeeds()
    record = read_run(out).record
    assert (record["kind"], record["data"]["n_rows"], record["data"]["n_held_out"]) == ("labels", 400, 40)
    constant, ours = record["results"]
    assert ours["scores"]["accuracy"] == 1.0
    assert ours["scores"]["log_loss"] < constant["scores"]["log_loss"]
    assert (out / "report.html").stat().st_size > 1000
    model = library.load_run(out)
    assert model.predict(["great and warm", "so dull"]).tolist() == ["good", "bad"]
    plectrum("near", out, "fine", "-k", 2).assert_succeeds()


def test_json_is_one_document(file, tmp_path):
    arguments = ("--text", "said", "--label", "means", "--out", tmp_path / "run", "--json", *QUICK)
    done = plectrum("learn", "labels", file, *arguments)
    done.assert_succeeds()
    assert json.loads(done.out)["target"]["classes"] == ["bad", "good"]


def test_what_is_wrong_with_the_columns_is_said(file, tmp_path):
    out = tmp_path / "run"
    plectrum("learn", "labels", file, "--text", "x", "--label", "means", "--out", out).assert_fails(
        1, "'x'", "said, means"
    )
    (tmp_path / "one.csv").write_text("said,means\na,1\nb,1\n")
    plectrum(
        "learn", "labels", tmp_path / "one.csv", "--text", "said", "--label", "means", "--out", out, "--force"
    ).assert_fails(1, "two labels or more")


def test_a_column_of_numbers_is_not_taken_for_texts(tmp_path):
    (tmp_path / "numbers.csv").write_text("said,means\n7,good\n8,bad\n")
    plectrum(
        *("learn", "labels", tmp_path / "numbers.csv", "--text", "said", "--label", "means"),
        *("--out", tmp_path / "run"),
    ).assert_fails(1, "'said' must hold texts", "first holds 7")
