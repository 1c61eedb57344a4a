import json

from cli.command import plectrum_here as plectrum
from runs.fake_run import make_fake_run


def make_runs(folder):
    make_fake_run(folder / "a", levels={"dest": 40}, seed=0)
    make_fake_run(folder / "b", levels={"dest": 44}, seed=1)
    return folder / "a", folder / "b"


def test_diff_prints_scores_movers_and_new_keys(tmp_path):
    done = plectrum("diff", *make_runs(tmp_path))
    done.assert_succeeds()
    for words in ("from a (A) to b (B)", "plectrum network", "moved most", "4 new", "key 43"):
        assert words in done.out


def test_diff_as_json_and_as_a_page(tmp_path):
    page = tmp_path / "diff.html"
    done = plectrum("diff", *make_runs(tmp_path), "--json", "--page", page, "--most", 3)
    done.assert_succeeds()
    record = json.loads(done.out)
    assert len(record["tables"][0]["movers"]) == 3
    assert record["tables"][0]["n_new"] == 4
    assert "What changed from a to b?" in page.read_text(encoding="utf-8")


def test_diff_of_a_folder_that_is_no_run_fails_with_its_name(tmp_path):
    a, _ = make_runs(tmp_path)
    plectrum("diff", a, tmp_path / "nowhere").assert_fails(1, "nowhere")
    plectrum("diff", a, a, "--column", "x").assert_fails(1, "'x'", "dest")
