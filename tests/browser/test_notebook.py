"""What a notebook shows of vectors, in a real Chromium: safe, in the reader's colours, not too wide."""

import numpy as np
import pytest

from plectrum import Vectors
from report.test_page import HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(tmp_path):
    def write(vectors, colour="#000", paper="#fff"):
        path = tmp_path / "cell.html"
        path.write_text(
            "<!doctype html><meta charset='utf-8'><title>cell</title><link rel='icon' href='data:,'>"
            f"<body style='margin:8px;color:{colour};background:{paper}'>{vectors._repr_html_()}",
            encoding="utf-8",
        )
        return path

    return write


def test_hostile_keys_are_text_in_a_notebook(browser, shown):
    rng = np.random.default_rng(0)
    path = shown(Vectors(HOSTILE, rng.normal(size=(len(HOSTILE), 5)), range(15, 0, -1)))
    browser.set_window(1000, 800)
    browser.open(path)
    assert browser.requests() == [path.resolve().as_uri()]
    assert browser.console() == []
    assert browser.run("return document.title") == "cell"
    assert browser.run("return document.querySelectorAll('script, img').length") == 0
    names = browser.run("return [...document.querySelectorAll('td bdi b')].map((e) => e.textContent)")
    assert names[0].startswith("<script>document.title")


@pytest.mark.parametrize(("colour", "paper"), [("rgb(20, 20, 20)", "#fff"), ("rgb(230, 230, 230)", "#111")])
def test_text_has_the_colour_of_the_notebook_and_the_width_of_its_window(browser, shown, colour, paper):
    rng = np.random.default_rng(0)
    vectors = Vectors([f"a long key {i}" for i in range(40)], rng.normal(size=(40, 5)), range(40, 0, -1))
    path = shown(vectors, colour, paper)
    for width in (400, 1600):
        browser.set_window(width, 800)
        browser.open(path)
        colours = browser.run(
            "return [...document.querySelectorAll('.plectrum td, .plectrum svg text')].map((e) => {"
            "const s = getComputedStyle(e); return e.tagName === 'text' ? s.fill : s.color})"
        )
        assert set(colours) == {colour}
        assert browser.run("return document.documentElement.scrollWidth") <= width
