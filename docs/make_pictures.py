"""Make the pictures of the README and the guide from the demo's run: real pages, looked at by a real browser.

    make demo
    .venv/bin/python docs/make_pictures.py [RUN]

Needs Chromium and chromedriver. RUN is the demo's run folder, `runs/flights` when left out. Pictures go to
`docs/pictures/`; commit them when they changed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser.driver import Browser, find_browser  # noqa: E402  (the tests' own driver)
from plectrum.report import write_report  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
LARGEST = 400_000  # bytes
READY = "window.plectrum && plectrum.columns.every((column) => column.section.dataset.ready)"
WIDTH = 1200


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("run", nargs="?", default="runs/flights", type=Path)
    arguments.add_argument("--column", default="dest")
    arguments.add_argument("--key", default="SFO")
    asked = arguments.parse_args()
    if find_browser() is None:
        sys.exit("make_pictures.py needs Chromium and chromedriver; one of them was not found.")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = write_report(asked.run, Path(folder) / "report.html")
        browser = Browser(Path(folder))
        try:
            for dark in (False, True):
                photograph(browser, page, asked.column, asked.key, dark=dark)
        finally:
            browser.close()


def photograph(browser: Browser, page: Path, column: str, key: str, *, dark: bool) -> None:
    """Write the head of the page, and the map of one column with one key selected."""
    browser.set_window(WIDTH, 900, dark=dark)
    browser.open(page)
    browser.wait_for(READY)
    name = "_dark" if dark else ""
    keep(browser, PICTURES / f"answer{name}.png", ".opening", "#results")
    found = browser.run(
        """
        const column = plectrum.columns.find((one) => one.table.name === arguments[0]);
        if (!column) return null;
        const row = column.table.labels.indexOf(arguments[1]);
        column.pick(row >= 0 ? row : 0, true);
        return "#" + column.section.id;
        """,
        column,
        key,
    )
    if found is None:
        sys.exit(f"the run has no table for {column!r}.")
    keep(browser, PICTURES / f"report{name}.png", found + " .column-head", found + " .notes")


def keep(browser: Browser, path: Path, first: str, last: str) -> None:
    """Write a picture of the page from the top of one element to the bottom of another."""
    box = browser.run(
        """
        const [first, last] = [...arguments].map((selector) => document.querySelector(selector));
        return [first.getBoundingClientRect().top + scrollY, last.getBoundingClientRect().bottom + scrollY];
        """,
        first,
        last,
    )
    clip = {"x": 0, "y": box[0] - 12, "width": WIDTH - 15, "height": box[1] - box[0] + 32, "scale": 1}
    browser.screenshot(path, clip=clip)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size / 1000:,.0f} kB")
    if size > LARGEST:
        sys.exit(f"{path.name} must stay below {LARGEST / 1000:,.0f} kB.")


if __name__ == "__main__":
    main()
