import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

import plectrum as library
from cli.command import plectrum_here as plectrum

OPTIONS = ("--epochs", 3, "--no-baselines", "--quiet")


def make_frame(n=400):
    rng = np.random.default_rng(0)
    shop = rng.choice(["a", "b", "c"], n)
    sales = np.char.find("abc", shop) + 0.1 * rng.normal(size=n)
    return pa.table({"shop": shop, "sales": sales, "late": np.where(sales > 1, "yes", "no")})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    pq.write_table(make_frame().drop_columns("late"), folder / "data.parquet")
    plectrum(
        "learn", "columns", folder / "data.parquet", "--target", "sales", "--out", folder / "run", *OPTIONS
    ).assert_succeeds()
    return folder / "run"


@pytest.fixture
def new(tmp_path):
    (tmp_path / "new.csv").write_text('other,shop\n"x, y",b\n2,zz\n3,\n4,a\n')
    return tmp_path / "new.csv"


def test_the_prediction_is_appended_to_the_rows(run, new):
    done = plectrum("predict", run, new)
    done.assert_succeeds()
    frame = csv.read_csv(io.BytesIO(done.out.encode()))
    assert frame.column_names == ["other", "shop", "prediction"]
    expected = library.load_run(run).predict(pa.table({"shop": ["b", "zz", None, "a"]}))
    np.testing.assert_allclose(frame["prediction"].to_numpy(), expected)
    assert frame["other"][0].as_py() == "x, y"


def test_it_says_what_training_had_not_seen(run, new):
    assert "shop: 25.0% unseen and 25.0% missing values" in plectrum("predict", run, new).err


def test_json_is_one_document(run, new):
    document = json.loads(plectrum("predict", run, new, "--json").out)
    assert document["n_rows"] == len(document["predictions"]["prediction"]) == 4


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_it_writes_a_file(run, new, tmp_path, suffix):
    done = plectrum("predict", run, new, "--out", tmp_path / f"p{suffix}")
    done.assert_succeeds()
    assert done.out == ""
    read = csv.read_csv if suffix == ".csv" else pq.read_table
    assert read(tmp_path / f"p{suffix}").num_rows == 4


def test_a_name_that_is_taken_gets_a_number(run, tmp_path):
    (tmp_path / "new.csv").write_text("shop,prediction\na,1\n")
    assert plectrum("predict", run, tmp_path / "new.csv").out.startswith('"shop","prediction","prediction_2"')


def test_a_missing_column_is_named(run, tmp_path):
    (tmp_path / "new.csv").write_text("shp\na\n")
    plectrum("predict", run, tmp_path / "new.csv").assert_fails(1, "'shop'")


def test_what_is_no_run_says_so(tmp_path, new):
    plectrum("predict", tmp_path / "nothing", new).assert_fails(1, "does not exist")


def test_another_suffix_is_refused(run, new):
    plectrum("predict", run, new, "--out", "p.xlsx").assert_fails(1, ".csv or .parquet")


def test_classes_come_with_their_probabilities(tmp_path):
    pq.write_table(make_frame().drop_columns("sales"), tmp_path / "data.parquet")
    plectrum(
        "learn", "columns", tmp_path / "data.parquet", "--target", "late", "--out", tmp_path / "run", *OPTIONS
    ).assert_succeeds()
    done = plectrum("predict", tmp_path / "run", tmp_path / "data.parquet")
    frame = csv.read_csv(io.BytesIO(done.out.encode()))
    assert frame.column_names == ["shop", "late", "prediction", "probability_no", "probability_yes"]
    total = frame["probability_no"].to_numpy() + frame["probability_yes"].to_numpy()
    np.testing.assert_allclose(total, 1)
    yes = frame["probability_yes"].to_numpy() > 0.5
    assert (np.array(frame["prediction"].to_pylist()) == np.where(yes, "yes", "no")).all()


def test_the_report_is_made_again(run):
    (run / "report.html").unlink()
    done = plectrum("report", run)
    done.assert_succeeds()
    assert done.out == f"{run / 'report.html'}\n"
    assert (run / "report.html").stat().st_size > 10_000
