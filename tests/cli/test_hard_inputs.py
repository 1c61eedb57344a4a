"""Files that cannot be learned from: each gets one clear message and exit code 1, and leaves no run."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.command import plectrum, plectrum_here


def rows(n=60):
    rng = np.random.default_rng(0)
    shops = rng.choice(["a", "b", "c"], n)
    return {
        "shop": shops.tolist(),
        "sales": (np.char.count("abc", shops) + rng.normal(size=n)).round(3).tolist(),
    }


def csv(data):
    written = [
        ["" if value is None else str(value) for value in row] for row in zip(*data.values(), strict=True)
    ]
    return "\n".join(",".join(fields) for fields in [list(data), *written]) + "\n"


def learn(tmp_path, content, *options, target="sales", name="data.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    done = plectrum_here("learn", "columns", path, "--target", target, "--out", tmp_path / "run", *options)
    assert done.code == 0 or not (tmp_path / "run").exists()
    return done


QUICK = ("--epochs", 2, "--quiet", "--no-baselines")


def test_a_truncated_csv(tmp_path):
    text = csv(rows())
    learn(tmp_path, text[: text.rindex(",")]).assert_fails(1, "data.csv", "61")


def test_a_process_of_its_own_exits_1(tmp_path):
    (tmp_path / "data.csv").write_text("shop,sales\na,1\n")
    done = plectrum("learn", "columns", tmp_path / "data.csv", "--target", "sales", "--out", tmp_path / "run")
    done.assert_fails(1, "error: There is one row")
    assert done.out == ""


def test_a_csv_cut_inside_a_quoted_field(tmp_path):
    text = csv({"shop": ['"x, y"'] * 30, "sales": list(range(30))})
    learn(tmp_path, text[: text.rindex(" y")]).assert_fails(1, "data.csv", "quote")


def test_a_truncated_parquet(tmp_path):
    pq.write_table(pa.table(rows()), tmp_path / "data.parquet")
    content = (tmp_path / "data.parquet").read_bytes()
    learn(tmp_path, content[:-20], name="data.parquet").assert_fails(1, "data.parquet")


def test_a_wrong_target_name_gets_did_you_mean(tmp_path):
    learn(tmp_path, csv(rows()), target="sale").assert_fails(1, "'sale'", "Did you mean 'sales'")


def test_a_constant_target(tmp_path):
    learn(tmp_path, csv(rows() | {"sales": [3] * 60})).assert_fails(
        1, "sales", "same value, 3, in all 60 rows"
    )


def test_a_target_with_gaps(tmp_path):
    data = rows()
    data["sales"][7:9] = [None, "NaN"]
    learn(tmp_path, csv(data)).assert_fails(1, "sales", "missing in 2 of 60 rows", "row 7")


def test_a_target_that_is_missing_everywhere(tmp_path):
    learn(tmp_path, csv(rows() | {"sales": [None] * 60})).assert_fails(1, "sales", "missing in all 60 rows")


def test_an_infinite_target(tmp_path):
    data = rows()
    data["sales"][3] = "inf"
    learn(tmp_path, csv(data)).assert_fails(1, "sales", "infinite")


def test_no_rows(tmp_path):
    learn(tmp_path, "shop,sales\n").assert_fails(1, "no rows")


def test_one_row(tmp_path):
    learn(tmp_path, "shop,sales\na,1\n").assert_fails(1, "one row")


def test_no_bytes(tmp_path):
    learn(tmp_path, b"").assert_fails(1, "data.csv", "empty")


def test_two_columns_of_one_name(tmp_path):
    learn(tmp_path, "shop,shop,sales\n" + "a,b,1\n" * 50).assert_fails(1, "shop")


def test_bytes_that_are_not_utf8(tmp_path):
    content = csv(rows()).replace("\nb,", "\nb\xe9,").encode("latin-1")
    learn(tmp_path, content).assert_fails(1, "data.csv", "UTF-8")


def test_only_a_column_that_is_unique(tmp_path):
    data = {"id": [f"x{i}" for i in range(60)], "sales": rows()["sales"]}
    learn(tmp_path, csv(data)).assert_fails(1, "column is left")


def test_no_such_file(tmp_path):
    done = plectrum_here(
        "learn", "columns", tmp_path / "nothing.csv", "--target", "y", "--out", tmp_path / "run"
    )
    done.assert_fails(1, "nothing.csv")


def test_a_column_that_is_missing_everywhere_is_left_out(tmp_path):
    done = learn(tmp_path, csv(rows() | {"empty": [None] * 60}), "--epochs", 2, "--no-baselines")
    done.assert_succeeds()
    assert "empty: The column is left out" in done.err


def test_a_unique_column_beside_others_is_left_out(tmp_path):
    data = rows() | {"id": [f"x{i}" for i in range(60)]}
    learn(tmp_path, csv(data), *QUICK).assert_succeeds()


def test_infinite_numbers_in_a_column(tmp_path):
    data = rows() | {"size": [1.5] * 29 + ["inf"] + [2.5] * 30}
    learn(tmp_path, csv(data), *QUICK).assert_fails(1, "size", "infinit")


def test_thirty_rows_get_a_warning(tmp_path):
    done = learn(tmp_path, csv(rows(30)))
    done.assert_succeeds()
    assert "warning: There are 30 rows" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--time", "day"), "'day'"),
        (("--ignore", "shpo"), "Did you mean 'shop'"),
        (("--numeric", "shop"), "shop"),
    ],
)
def test_options_that_do_not_fit_the_file(tmp_path, options, message):
    learn(tmp_path, csv(rows()), *options).assert_fails(1, message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--time", "shop", "--group", "shop"), "exclude each other"),
        (("--held-out", "1.5"), "--held-out"),
        (("--task", "magic"), "--task"),
        (("--hidden", "0"), "--hidden"),
        (("--epochs", "0"), "--epochs"),
    ],
)
def test_options_that_make_no_sense_for_any_file(tmp_path, options, message):
    learn(tmp_path, csv(rows()), *options).assert_fails(2, message)


def test_check_says_the_same_before_training(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(csv(rows() | {"sales": [3] * 60}))
    done = plectrum_here("check", path, "--target", "sales")
    assert done.code == 1
    assert "error: sales: The target has the same value" in done.out
    path.write_text(csv(rows(200)))
    plectrum_here("check", path, "--target", "sales").assert_succeeds()
