import plectrum
from plectrum.explanation import explain_window, toy_estimator, toy_rows
from plectrum.report import write_report
from plectrum.runs import write_json
from report.fake_table import make_run_of


def test_the_page_tells_one_step_where_the_run_keeps_it(tmp_path):
    run = make_run_of(tmp_path / "run", [f"k{i}" for i in range(12)])
    assert 'id="step"' not in write_report(run).read_text(encoding="utf-8")
    told = plectrum.explain(toy_estimator(), *toy_rows())
    write_json(run.folder / "explained.json", told.to_json())
    page = write_report(run).read_text(encoding="utf-8")
    step = page[page.index('id="step"') :]
    assert "looked up twice" in step
    assert "untouched" in step
    assert f"{told.nudge.slope:+.6g}".replace("-", "−") in step


def test_hostile_cells_of_the_step_leave_no_markup(tmp_path):
    run = make_run_of(tmp_path / "run", [f"k{i}" for i in range(12)])
    told = plectrum.explain(toy_estimator(), *toy_rows()).to_json()
    told["examples"][0]["cells"] = {"<img src=x>": "</script><b>"} | told["examples"][0]["cells"]
    for example in told["examples"][1:]:
        example["cells"] = {"<img src=x>": "\x00"} | example["cells"]
    write_json(run.folder / "explained.json", told)
    page = write_report(run).read_text(encoding="utf-8")
    assert "<img" not in page
    assert "</script><b>" not in page
    assert "&lt;img src=x&gt;" in page


def test_a_step_of_words_is_told_as_one_window(tmp_path):
    run = make_run_of(tmp_path / "run", [f"k{i}" for i in range(12)], kind="words", name="words")
    told = explain_window([["the", "king", "rules", "the", "land"]], word="king")
    write_json(run.folder / "explained.json", told.to_json())
    page = write_report(run).read_text(encoding="utf-8")
    step = page[page.index('id="step"') :]
    assert "one step on one window" in step
    assert '<td class="watched"><bdi>king</bdi></td>' in step
    assert "drawn at random" in step
