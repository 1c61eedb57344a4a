import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "one_step.py"


def test_one_step_shows_which_rows_move_and_which_do_not():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].endswith("True")
    assert [line.split()[0] for line in lines if "moved by" in line] == ["Mon", "Tue"]
    assert [line.split()[0] for line in lines if "untouched" in line] == ["Wed", "Thu"]
    before, after = (float(word.strip(";")) for word in lines[-1].split()[5:8:2])
    assert after < before


def test_one_step_is_short_enough_to_be_read():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert sum(1 for line in lines if line.strip()) <= 25
    assert all("plectrum" not in line for line in lines)
