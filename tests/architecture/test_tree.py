import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")


@pytest.mark.parametrize("guide", GUIDES)
def test_every_path_named_in_a_guide_exists(guide):
    path = ROOT / guide
    named = re.findall(
        r"`((?:src|tests|docs|examples|benchmarks|attacks)/[\w./<>*-]*)`", path.read_text(encoding="utf-8")
    )
    missing = [name for name in named if "<" not in name and not list(ROOT.glob(name.rstrip("/")))]
    assert not missing


def test_source_files_hold_one_idea():
    long = {
        str(path.relative_to(ROOT)): n
        for path in (ROOT / "src").rglob("*.py")
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert not long


def test_no_drawer_files():
    drawers = [p for p in (ROOT / "src").rglob("*.py") if p.stem in {"utils", "helpers", "misc", "common"}]
    assert not drawers
