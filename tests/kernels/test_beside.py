"""Kernels that another process compiles: bodies that only note where it was done, and once real ones."""

import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest

from plectrum.kernels import _beside
from plectrum.kernels._beside import Kernel, expect, start_beside, wait_or_compile_others

SOURCE = Path(__file__).parents[2] / "src"

BODIES = """
import os
import time
from functools import cached_property
from pathlib import Path

class Body:
    def __init__(self, name, seconds=0.0):
        self.name, self.seconds = name, seconds

    @cached_property
    def address(self):
        time.sleep(self.seconds)
        Path(__file__).with_name(self.name).write_text(str(os.getpid()))
        return 7

first, second, third, slow = Body("first"), Body("second"), Body("third"), Body("slow", 1.0)
endless = Body("endless", 600)
"""


@pytest.fixture
def bodies(tmp_path, monkeypatch):
    (tmp_path / "some_bodies.py").write_text(BODIES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_beside, "_expected", WeakKeyDictionary())
    monkeypatch.setattr(_beside, "_processes", [])
    monkeypatch.setattr(_beside, "_python", lambda: sys.executable)
    sys.modules.pop("some_bodies", None)
    import some_bodies

    yield some_bodies
    _beside._end_all()
    del sys.modules["some_bodies"]


class Owner:
    """Stands for an optimizer."""


@pytest.fixture
def owner():
    return Owner()


def kernel(name):
    return Kernel("some_bodies", name)


def compiled_by(bodies, name):
    path = Path(bodies.__file__).with_name(name)
    return int(path.read_text()) if path.exists() else None


def test_another_process_compiles_the_first_family_that_the_missing_kernel_is_not_of(bodies, owner):
    expect(owner, [kernel("first"), kernel("second")], [kernel("third")])
    start_beside(bodies.first)
    assert [process.bodies for process in _beside._processes] == [[bodies.third]]
    wait_or_compile_others(bodies.third)
    assert compiled_by(bodies, "third") not in {None, os.getpid()}


def test_while_it_waits_this_process_compiles_what_else_is_expected(bodies, owner):
    expect(owner, [kernel("slow")], [kernel("second"), kernel("third")])
    start_beside(bodies.first)
    wait_or_compile_others(bodies.slow)
    assert compiled_by(bodies, "slow") not in {None, os.getpid()}
    assert compiled_by(bodies, "second") == compiled_by(bodies, "third") == os.getpid()


def test_what_is_there_already_is_not_compiled_again_and_one_process_runs_at_a_time(bodies, owner):
    assert bodies.first.address == 7
    expect(owner, [kernel("first")])
    start_beside(bodies.second)
    assert not _beside._processes
    expect(owner, [kernel("endless")], [kernel("third")])
    start_beside(bodies.second)
    start_beside(bodies.second)
    assert [process.bodies for process in _beside._processes] == [[bodies.endless]]


def test_nobody_waits_for_a_kernel_that_no_process_compiles(bodies, owner):
    expect(owner, [kernel("endless")])
    start_beside(bodies.first)
    before = time.monotonic()
    wait_or_compile_others(bodies.second)
    assert time.monotonic() - before < 10


def test_a_process_that_takes_too_long_is_ended(bodies, owner, monkeypatch):
    monkeypatch.setattr(_beside, "_PATIENCE", 0.1)
    expect(owner, [kernel("endless")])
    start_beside(bodies.first)
    wait_or_compile_others(bodies.endless)
    assert not _beside._processes[0].is_running()
    assert compiled_by(bodies, "endless") is None


@pytest.mark.parametrize("program", ["/no/such/python", None])
def test_where_no_process_can_be_started_nothing_is_lost(bodies, owner, monkeypatch, program):
    monkeypatch.setattr(_beside, "_python", lambda: program)
    expect(owner, [kernel("first")])
    start_beside(bodies.second)
    wait_or_compile_others(bodies.first)
    assert not _beside._processes
    assert bodies.first.address == 7


def test_whatever_goes_wrong_with_it_a_first_step_goes_on(bodies, owner):
    expect(owner, [Kernel("some_bodies", "of_no_such_name")])
    start_beside(bodies.first)
    wait_or_compile_others(bodies.second)
    assert not _beside._processes


def test_a_process_that_fails_leaves_the_work_to_this_one(bodies, owner):
    expect(owner, [Kernel("some_bodies", "first")])
    Path(bodies.__file__).write_text("raise ImportError")
    start_beside(bodies.second)
    wait_or_compile_others(bodies.first)
    assert compiled_by(bodies, "first") is None
    assert bodies.first.address == 7


def test_who_expects_kernels_and_is_gone_is_not_waited_for(bodies, owner):
    expect(owner, [kernel("first")])
    expect(Owner(), [kernel("second")])
    gc.collect()
    start_beside(bodies.third)
    assert [process.bodies for process in _beside._processes] == [[bodies.first]]


def test_the_latest_to_expect_kernels_comes_first(bodies, owner):
    later = Owner()
    expect(owner, [kernel("first")])
    expect(later, [kernel("second")])
    start_beside(bodies.third)
    assert [process.bodies for process in _beside._processes] == [[bodies.second]]


def test_nothing_of_the_working_folder_is_taken_for_a_module(bodies, owner, tmp_path, monkeypatch):
    folder = tmp_path / "working"
    folder.mkdir()
    (folder / "json.py").write_text("open('was_here', 'w')")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    expect(owner, [kernel("slow")])
    start_beside(bodies.first)
    wait_or_compile_others(bodies.slow)
    assert compiled_by(bodies, "slow") is not None
    assert not (folder / "was_here").exists()


def test_one_core_is_left_to_this_process_and_no_other_program_is_started(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(_beside, "get_executable", lambda: "/some/python3")
    assert _beside._python() == "/some/python3"
    for program in ("/some/editor", None):
        monkeypatch.setattr(_beside, "get_executable", lambda program=program: program)
        assert _beside._python() is None
    monkeypatch.setattr(_beside, "get_executable", lambda: b"/some/python3")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert _beside._python() is None


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("SGD", {"momentum": 0.9, "absent_rows": "frozen"}),
        ("Adagrad", {}),
        ("RowwiseAdagrad", {}),
        ("Adam", {"absent_rows": "frozen"}),
        ("AdamW", {}),
    ],
)
def test_an_optimizer_asks_for_the_very_kernels_that_it_expects(monkeypatch, rule, options):
    import torch

    import plectrum.nn
    import plectrum.optim

    monkeypatch.setattr(_beside, "_expected", WeakKeyDictionary())
    layer = plectrum.nn.Embedding(50, 16)
    optimizer = getattr(plectrum.optim, rule)(layer, lr=0.1, dense_below=0, **options)
    expected = {kernel.find() for family in _beside._expected[optimizer] for kernel in family}
    asked = set()
    for module in (plectrum.optim._compiled, plectrum.optim._absence):
        real = module.run_in_team
        monkeypatch.setattr(module, "run_in_team", lambda b, *a, real=real: (asked.add(b), real(b, *a)))
    for step in range(3):
        layer(torch.arange(step, 50, 2)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert asked == expected


TRAINING = """
import torch
import plectrum
from plectrum.kernels.native import _cpu_compile

compiled = []
real = _cpu_compile._Cache.save_overload

def save(cache, *code):
    compiled.append(cache._py_func.__qualname__)
    real(cache, *code)

_cpu_compile._Cache.save_overload = save

torch.manual_seed(0)
layer = plectrum.nn.Embedding(1000, 8)
optimizer = plectrum.optim.AdamW(layer, dense_below=0)
for step in range(3):
    layer(torch.arange(step, 1000, 2)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
print(layer.weight.detach().double().sum().item().hex(), *sorted(compiled))
"""


def test_a_first_training_shares_its_kernels_with_another_process_and_has_the_same_bits(tmp_path):
    def train():
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", TRAINING], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    bits, *first = train()
    expected = ["add_step", "catch_up_adam_float32_any"]
    assert first == (expected if _beside._python() else [*expected, "update_adamw_float32_any"])
    assert list(tmp_path.glob("*/*update_adamw_float32_any*.nbc"))
    assert train() == [bits]
