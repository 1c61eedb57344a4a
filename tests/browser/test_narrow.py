"""The pages in a window of 400 pixels: nothing is cut off, and what a reader points at stays in sight."""

import pytest

import plectrum
from browser.test_report_page import show
from plectrum.explanation import explain_window, toy_estimator, toy_rows
from plectrum.report import diff, write_report
from plectrum.runs import write_json
from runs.fake_run import make_fake_run

pytestmark = pytest.mark.browser

CUT_OFF = """
    return [...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1)
      .map((e) => e.closest('section').querySelector('h2').textContent);
"""


@pytest.mark.parametrize("of_words", [False, True])
def test_no_table_of_the_report_has_to_be_moved_sideways(browser, tmp_path, of_words):
    run = make_fake_run(tmp_path / "run", levels={"dest": 30})
    tale = [["from", "the", "greek", "without", "ruler", "chief", "king", "anarchism", "as", "a", "view"]]
    told = explain_window(tale, word="king") if of_words else plectrum.explain(toy_estimator(), *toy_rows())
    write_json(run.folder / "explained.json", told.to_json())
    show(browser, write_report(run), width=400, height=800)
    assert browser.run(CUT_OFF) == []


def test_no_table_of_a_difference_has_to_be_moved_sideways(browser, tmp_path):
    runs = [make_fake_run(tmp_path / f"run{seed}", levels={"dest": 60}, seed=seed).folder for seed in (0, 1)]
    page = tmp_path / "diff.html"
    page.write_text(diff(*runs).to_html(), encoding="utf-8")
    browser.set_window(400, 800)
    browser.open(page)
    assert browser.run("return document.querySelectorAll('.movers td').length") > 0
    assert browser.run(CUT_OFF) == []


def test_the_reason_of_each_move_is_in_sight_on_the_page_of_an_explanation(browser, tmp_path):
    page = tmp_path / "step.html"
    page.write_text(plectrum.explain(toy_estimator(), *toy_rows(), optimizer="adamw").to_html(), "utf-8")
    browser.set_window(400, 800)
    browser.open(page)
    ends = browser.run(
        "return [...document.querySelectorAll('td')].filter((e) => e.textContent.startsWith('moved'))"
        ".map((e) => e.getBoundingClientRect().right)"
    )
    assert ends
    assert max(ends) <= 400


@pytest.mark.parametrize("width", [400, 1600])
def test_a_tip_never_covers_its_row_and_goes_when_another_row_is_chosen(browser, tmp_path, width):
    show(browser, write_report(make_fake_run(tmp_path / "run", levels={"dest": 40})), width=width, height=900)
    covered = browser.run("""
        const column = plectrum.columns[0], view = column.view, tip = column.find('.tip'), bad = [];
        const box = column.find('.map').getBoundingClientRect();
        for (let row = 0; row < view.table.n; row++) {
          const x = view.xs[row], y = view.ys[row];
          if (view.rowAt(x, y) !== row) continue;
          column.hover([x, y]);
          const t = tip.getBoundingClientRect(), left = t.left - box.left, top = t.top - box.top;
          if (x > left && x < left + t.width && y > top && y < top + t.height) bad.push(row);
        }
        return bad;
    """)
    assert covered == []
    assert not browser.run("return document.querySelector('.tip').hidden")
    browser.run("plectrum.columns[0].pick(5, false)")
    assert browser.run("return document.querySelector('.tip').hidden")
