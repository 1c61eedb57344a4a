import json
import os
import signal
import subprocess

import numpy as np
import pytest

import plectrum as library
from cli.command import command, plectrum, plectrum_here
from plectrum.runs import read_run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    shops = rng.choice(list("abcd"), 800)
    sales = np.char.find("abcd", shops) + 0.1 * rng.normal(size=800)
    lines = [
        f"{shop},{price:.3f},{y:.3f}"
        for shop, price, y in zip(shops, rng.normal(size=800), sales, strict=True)
    ]
    path.write_text("shop,price,sales\n" + "\n".join(lines) + "\n")
    return path


def learn(data, out, *options):
    return ("learn", "columns", data, "--target", "sales", "--out", out, "--epochs", 4, *options)


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    result = plectrum_here(*learn(data, out))
    result.assert_succeeds()
    return out, result


def test_the_table_and_the_findings_go_to_standard_output(done):
    _, result = done
    for part in ("sales on 80 held-out rows", "one-hot + linear", "plectrum network", "rmse", "row '"):
        assert part in result.out
    assert "epoch" not in result.out


def test_progress_and_what_to_type_next_go_to_standard_error(done):
    out, result = done
    assert "epoch 4/4" in result.err
    assert "rows/s" in result.err
    assert " left" in result.err
    assert result.err.rstrip().splitlines()[-1].strip().startswith(f"plectrum predict {out}")
    assert f"plectrum near {out} " in result.err


def test_the_folder_is_whole(done):
    out, _ = done
    assert {p.name for p in out.iterdir()} == {
        "report.html",
        "run.json",
        "explained.json",
        "model",
        "vectors",
        "film",
    }
    assert not out.with_name("run.partial").exists()


def test_the_run_keeps_one_explained_step_for_its_page(done):
    out, _ = done
    told = json.loads((out / "explained.json").read_text(encoding="utf-8"))
    assert told["focus"] == "shop"
    assert 'id="step"' in (out / "report.html").read_text(encoding="utf-8")


def test_what_it_says_to_type_next_works(done):
    _out, result = done
    near = next(line for line in result.err.splitlines() if "plectrum near" in line).split()[1:]
    plectrum_here(*near).assert_succeeds()


def test_json_is_the_record_and_nothing_else(data, tmp_path):
    result = plectrum_here(*learn(data, tmp_path / "run", "--no-baselines", "--json", "--quiet"))
    result.assert_succeeds()
    assert json.loads(result.out) == read_run(tmp_path / "run").record
    assert result.err == ""


def test_an_existing_run_is_kept_without_force(data, done):
    out, _ = done
    before = (out / "run.json").read_bytes()
    plectrum_here(*learn(data, out)).assert_fails(1, "exists", "--force")
    assert (out / "run.json").read_bytes() == before


def test_a_fault_of_the_data_leaves_nothing_in_the_way_of_the_next_try(data, tmp_path):
    faulty = tmp_path / "sales.csv"
    faulty.write_text(data.read_text() + "a,1.0,\n")
    out, quick = tmp_path / "run", ("--no-baselines", "--quiet")
    plectrum_here(*learn(faulty, out, *quick)).assert_fails(1, "sales")
    assert sorted(tmp_path.iterdir()) == [faulty]
    plectrum_here(*learn(data, out, *quick)).assert_succeeds()


def test_force_replaces_a_run(data, tmp_path):
    options = ("--no-baselines", "--quiet", "--force")
    plectrum_here(*learn(data, tmp_path / "run", *options)).assert_succeeds()
    plectrum_here(*learn(data, tmp_path / "run", *options, "--seed", 5)).assert_succeeds()
    assert read_run(tmp_path / "run").record["seed"] == 5


def test_resuming_a_complete_run_is_no_mistake(data, done):
    out, _ = done
    result = plectrum_here(*learn(data, out, "--resume"))
    result.assert_succeeds()
    assert "nothing to resume" in result.err


def test_a_run_that_lacks_its_page_only_gets_it(data, tmp_path):
    plectrum_here(*learn(data, tmp_path / "run", "--no-baselines", "-q")).assert_succeeds()
    before = (tmp_path / "run" / "run.json").read_bytes()
    (tmp_path / "run").rename(tmp_path / "run.partial")
    (tmp_path / "run.partial" / "report.html").unlink()
    plectrum_here(*learn(data, tmp_path / "run", "--no-baselines", "-q", "--resume")).assert_succeeds()
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_hidden_must_be_widths(data, tmp_path):
    plectrum_here(*learn(data, tmp_path / "run", "--hidden", "a,b")).assert_fails(2, "--hidden")
    plectrum_here(*learn(data, tmp_path / "run", "--hidden", "8,4", "--no-baselines", "-q")).assert_succeeds()
    assert library.load_run(tmp_path / "run").hidden == (8, 4)


def test_standard_input_will_do(data, tmp_path):
    done = plectrum(*learn("-", tmp_path / "run", "--no-baselines", "-q"), stdin=data.read_bytes())
    done.assert_succeeds()
    assert read_run(tmp_path / "run").record["data"]["name"] == "-"


def stop(data, out, moment, how):
    """Run until standard error says `moment`, then send a signal; None: at once."""
    running = subprocess.Popen(
        command(*learn(data, out)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        # a shell that runs the tests in the background hands down that SIGINT is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    said = ""
    if moment is not None:
        for line in running.stderr:
            said += line
            if moment in line:
                break
    running.send_signal(how)
    _, rest = running.communicate()
    return running.returncode, said + rest


def assert_resumes(data, out, done):
    """No half-written run is there, and going on ends where an undisturbed run does."""
    if out.exists():
        read_run(out)
    else:
        result = plectrum_here(*learn(data, out, "--resume", "--quiet"))
        result.assert_succeeds()
    scores = [r["scores"] for r in read_run(out).record["results"]]
    assert scores == [r["scores"] for r in read_run(done[0]).record["results"]]
    assert {p.name for p in out.iterdir()} == {
        "report.html",
        "run.json",
        "explained.json",
        "model",
        "vectors",
        "film",
    }


def test_a_run_that_was_killed_resumes_to_the_same_scores(data, tmp_path, done):
    code, _ = stop(data, tmp_path / "run", "epoch 2/4", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "run").exists()
    assert_resumes(data, tmp_path / "run", done)


MOMENTS = (
    *(None, "reading", "splitting", "epoch 1/4", "epoch 4/4", "writing vectors"),
    *("comparing: one-hot", "judging", "comparing: boosting on", "writing the report"),
)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_killing_at_any_moment_loses_nothing(data, tmp_path, done, moment):
    stop(data, tmp_path / "run", moment, signal.SIGKILL)
    assert_resumes(data, tmp_path / "run", done)


def test_ctrl_c_says_how_to_go_on(data, tmp_path):
    code, said = stop(data, tmp_path / "run", "epoch 1/4", signal.SIGINT)
    assert code == 130
    assert "Traceback" not in said
    assert "run.partial" in said
    assert said.rstrip().endswith("--resume")
    assert (tmp_path / "run.partial").is_dir()
    plectrum_here("near", tmp_path / "run", "a").assert_fails(1, "was not finished")
