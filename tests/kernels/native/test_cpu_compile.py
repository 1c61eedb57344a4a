import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).parents[3] / "src"

PROGRAM = """
import numpy as np
from plectrum.kernels.native._cpu_compile import compiled

@compiled()
def total(x):
    return x.sum()

print(total(np.ones(3)))
"""


def run_program(folder, cache=None):
    program = folder / "program.py"
    if not program.exists():
        program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    return subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, check=True
    )


def test_the_first_call_says_what_it_waits_for_and_the_second_process_is_silent(tmp_path):
    first, second = run_program(tmp_path), run_program(tmp_path)
    assert first.stdout == second.stdout == "3.0\n"
    assert first.stderr.startswith("plectrum: compiling its kernels for this machine")
    assert second.stderr == ""


def test_a_cache_folder_that_cannot_be_written_only_costs_the_cache(tmp_path):
    in_the_way = tmp_path / "a file, not a folder"
    in_the_way.write_text("")
    done = run_program(tmp_path, cache=in_the_way / "cache")
    assert done.stdout == "3.0\n"
    assert "compiling its kernels" in done.stderr


def test_a_damaged_cache_is_compiled_again(tmp_path):
    run_program(tmp_path)
    for path in (tmp_path / "__pycache__").glob("*.nbc"):
        path.write_bytes(b"not machine code")
    assert run_program(tmp_path).stdout == "3.0\n"


@pytest.mark.parametrize("is_enabled", [True, False])
def test_no_garbage_is_collected_while_compiling_and_afterwards_as_before(monkeypatch, is_enabled):
    from plectrum.kernels.native import _cpu_compile

    seen = []

    class Recorder:
        address = 3

        def __init__(self, *_, **__):
            pass

        def compile(self):
            seen.append(gc.isenabled())

    monkeypatch.setattr(_cpu_compile, "CFunc", Recorder)
    try:
        (gc.enable if is_enabled else gc.disable)()
        assert _cpu_compile.compiled_body(lambda _: None).address == 3
        assert seen == [False]
        assert gc.isenabled() == is_enabled
    finally:
        gc.enable()


def test_each_pass_that_kernels_skip_is_one_of_numbas():
    from numba.core.compiler import DefaultPassBuilder

    from plectrum.kernels.native._cpu_compile import _Pipeline

    class State(dict):
        __getattr__ = dict.__getitem__

    class Flags:
        no_rewrites, enable_ssa, force_pyobject, auto_parallel = (
            False,
            True,
            False,
            type("Off", (), {"enabled": False}),
        )

    usual = DefaultPassBuilder.define_nopython_pipeline(State(func_ir=None, flags=Flags))
    assert set(_Pipeline.left_out) <= {step for step, _ in usual.passes}


def test_a_kernel_that_divides_by_zero_goes_on(capfd):
    from array import array

    from plectrum.kernels._team import run_in_team
    from plectrum.kernels.native._cpu_compile import compiled_body
    from plectrum.kernels.native._cpu_memory import float64_at

    @compiled_body
    def invert(arguments):
        numbers = float64_at(arguments)
        numbers[0] = 1 / numbers[1]
        numbers[2] = 3.0

    numbers = array("d", [5.0, 0.0, 0.0])
    run_in_team(invert, numbers, 1)
    assert list(numbers) == [float("inf"), 0.0, 3.0]
    assert "Exception" not in capfd.readouterr().err


def test_pointers_copies_and_turns_reach_the_memory_they_name():
    import numba

    from plectrum.kernels.native import _cpu_memory as memory

    @numba.njit
    def touch(to, source, counter, n):
        memory.prefetch_row(source, 4 * n, False)
        memory.prefetch_row(source, 4 * n, True)
        memory.copy_bytes(to, source, 4 * n)
        row = numba.carray(memory.float32_at(to), (n,))
        row[0] += 1
        return memory.take_turn(counter)

    to, source, counter = np.zeros(5, np.float32), np.arange(5, dtype=np.float32), np.zeros(1, np.int64)
    turns = [touch(to.ctypes.data, source.ctypes.data, counter.ctypes.data, 5) for _ in range(3)]
    assert turns == [0, 1, 2]
    np.testing.assert_array_equal(to, [1, 1, 2, 3, 4])


@pytest.mark.parametrize("name", ["float32_at", "float64_at", "uint16_at", "int32_at", "int64_at"])
def test_each_pointer_has_the_dtype_of_its_name(name):
    import numba

    from plectrum.kernels.native import _cpu_memory as memory

    dtype = np.dtype(name.removesuffix("_at"))
    at = getattr(memory, name)

    @numba.njit
    def second(address):
        return numba.carray(at(address), (2,))[1]

    values = np.array([3, 7], dtype)
    assert second(values.ctypes.data) == 7
