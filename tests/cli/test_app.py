import os
import resource
import subprocess
import sys

import plectrum as library
from cli.command import command, plectrum


def test_help_answers_in_well_under_half_a_second():
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command("--help"), check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # processor time: the clock would measure what else the machine is doing
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.4  # a busy neighbour of the core slows some, seldom all


def test_the_command_line_loads_nothing_heavy_before_it_is_needed():
    code = (
        "import sys, plectrum.cli;"
        "heavy = {'torch', 'numba', 'sklearn', 'pandas', 'pyarrow', 'scipy', 'narwhals'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_shows_every_command():
    done = plectrum("--help")
    done.assert_succeeds()
    for name in ("check", "learn", "near", "predict", "report", "convert", "evaluate"):
        assert f" {name} " in done.out


def test_the_version_is_the_librarys():
    assert plectrum("--version").out == f"plectrum {library.__version__}\n"


def test_wrong_command_lines_exit_2():
    plectrum("nothing").assert_fails(2, "No such command")
    plectrum("near").assert_fails(2, "Missing argument")
    plectrum("learn", "columns", "x.csv", "--out", "r").assert_fails(2, "--target")
    plectrum("near", "x", "y", "-k", "0").assert_fails(2, "-k")


def test_a_file_that_is_not_there_exits_1(tmp_path):
    plectrum("near", tmp_path / "nothing.txt", "x").assert_fails(1, "nothing.txt")
    plectrum("convert", tmp_path / "nothing.txt", "y.txt").assert_fails(1, "nothing.txt")


def test_no_color_is_honoured(tmp_path):
    done = plectrum("near", tmp_path / "nothing.txt", "x", NO_COLOR="1", FORCE_COLOR="1", TERM="xterm")
    assert "\x1b[3" not in done.err
    coloured = plectrum("near", tmp_path / "nothing.txt", "x", FORCE_COLOR="1", TERM="xterm", NO_COLOR="")
    assert "\x1b[" in coloured.err


def test_a_reader_that_leaves_early_does_no_harm(tmp_path):
    from cli.test_near import write_vectors

    path = write_vectors(tmp_path / "v.parquet", n=3_000)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            command("near", path, "key 1", "-k", 2_500), stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 0
    assert done.stderr == b""
