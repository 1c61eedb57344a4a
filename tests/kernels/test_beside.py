"""Kernels that another process compiles: bodies that only note where it was done, and once real ones."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plectrum.kernels import _beside
from plectrum.kernels._beside import Kernel, expect, start, wait_for

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
    monkeypatch.setattr(_beside, "_expected", {})
    monkeypatch.setattr(_beside, "_processes", [])
    monkeypatch.setattr(_beside, "_has_room", lambda: True)
    sys.modules.pop("some_bodies", None)
    import some_bodies

    yield some_bodies
    _beside._end_all()
    del sys.modules["some_bodies"]


def kernel(name):
    return Kernel("some_bodies", name)


def compiled_by(bodies, name):
    path = Path(bodies.__file__).with_name(name)
    return int(path.read_text()) if path.exists() else None


def test_another_process_compiles_the_first_family_that_the_missing_kernel_is_not_of(bodies):
    expect([kernel("first"), kernel("second")], [kernel("third")])
    start(bodies.first)
    assert [process.bodies for process in _beside._processes] == [[bodies.third]]
    wait_for(bodies.third)
    assert compiled_by(bodies, "third") not in {None, os.getpid()}


def test_while_it_waits_this_process_compiles_what_else_is_expected(bodies):
    expect([kernel("slow")], [kernel("second"), kernel("third")])
    start(bodies.first)
    wait_for(bodies.slow)
    assert compiled_by(bodies, "slow") not in {None, os.getpid()}
    assert compiled_by(bodies, "second") == compiled_by(bodies, "third") == os.getpid()


def test_what_is_there_already_is_not_compiled_again_and_one_process_runs_at_a_time(bodies):
    assert bodies.first.address == 7
    expect([kernel("first")])
    start(bodies.second)
    assert not _beside._processes
    expect([kernel("endless")], [kernel("third")])
    start(bodies.second)
    start(bodies.second)
    assert [process.bodies for process in _beside._processes] == [[bodies.endless]]


def test_nobody_waits_for_a_kernel_that_no_process_compiles(bodies):
    expect([kernel("endless")])
    start(bodies.first)
    before = time.monotonic()
    wait_for(bodies.second)
    assert time.monotonic() - before < 10


def test_a_process_that_takes_too_long_is_ended(bodies, monkeypatch):
    monkeypatch.setattr(_beside, "_PATIENCE", 0.1)
    expect([kernel("endless")])
    start(bodies.first)
    wait_for(bodies.endless)
    assert not _beside._processes[0].is_running()
    assert compiled_by(bodies, "endless") is None


@pytest.mark.parametrize("program", ["/no/such/program", sys.executable + "-of-another-name"])
def test_where_no_process_can_be_started_nothing_is_lost(bodies, monkeypatch, program):
    monkeypatch.setattr(_beside, "get_executable", lambda: program)
    expect([kernel("first")])
    start(bodies.second)
    wait_for(bodies.first)
    assert not _beside._processes
    assert bodies.first.address == 7


def test_a_process_that_fails_leaves_the_work_to_this_one(bodies):
    expect([Kernel("some_bodies", "first")])
    Path(bodies.__file__).write_text("raise ImportError")
    start(bodies.second)
    wait_for(bodies.first)
    assert compiled_by(bodies, "first") is None
    assert bodies.first.address == 7


def test_one_core_is_left_to_this_process(bodies, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert not _beside._has_room()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert _beside._has_room()
    monkeypatch.setattr(sys, "frozen", True, raising=False)  # its executable is no Python
    assert not _beside._has_room()


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
    assert first == (expected if _beside._has_room() else [*expected, "update_adamw_float32_any"])
    assert list(tmp_path.glob("*/*update_adamw_float32_any*.nbc"))
    assert train() == [bits]
