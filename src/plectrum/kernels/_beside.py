"""Kernels compiled by a process beside this one, while this one compiles others.

A first step needs three or four kernels, and Numba, which is written in Python, compiles one at a time: eight
seconds or more. So when the first is found missing, another process compiles those of another family, and
leaves them in the cache. The code is the same; a process that does not start, or fails, only saves nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.spawn import get_executable
from typing import Any, NamedTuple

_PATIENCE = 60.0  # seconds after which nobody waits for a process any more
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from plectrum.kernels._beside import compile_each; compile_each(json.loads(sys.argv[2]))"
)


class Kernel(NamedTuple):
    """Where a compiled body is to be found: a name in a module, and what it is called with, if anything."""

    module: str
    name: str
    arguments: Sequence[Any] = ()

    def find(self) -> Any:
        """Return the `compiled_body`, which need not be compiled yet."""
        found = getattr(import_module(self.module), self.name)
        return found(*self.arguments) if self.arguments else found


Family = tuple[Kernel, ...]
_expected: dict[Family, None] = {}  # in the order in which they will be asked for
_processes: list[_Process] = []  # at most one that runs


def expect(*families: Iterable[Kernel]) -> None:
    """Take note of kernels that will be asked for soon; those of a family have parts in common."""
    _expected.update((family, None) for family in map(tuple, families) if family)


def compile_each(kernels: Iterable[Sequence[Any]]) -> None:
    """Compile these, unless they are found in the cache."""
    for kernel in kernels:
        _ = Kernel(*kernel).find().address


class _Process:
    """A process that compiles the kernels of one family."""

    def __init__(self, family: Family, bodies: Sequence[Any]) -> None:
        self.bodies = bodies
        self.process = subprocess.Popen(
            [get_executable(), "-c", _PROGRAM, json.dumps([str(p) for p in sys.path]), json.dumps(family)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait(self) -> None:
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def start(body: Any) -> None:
    """Let a process compile a family that is expected besides that of this body, which is compiled here."""
    _processes[:] = [p for p in _processes if p.is_running()]
    if _processes or not _has_room():
        return
    for family in _expected:
        bodies = [kernel.find() for kernel in family]
        if body not in bodies and not all(_is_there(b) for b in bodies):
            del _expected[family]
            with suppress(OSError):  # no process may be started
                _processes.append(_Process(family, bodies))
            return


def wait_for(body: Any) -> None:
    """Return when no process beside compiles this body; meanwhile compile what else is expected."""
    for process in _processes:
        if body not in process.bodies:
            continue
        for other in [kernel.find() for family in _expected for kernel in family]:
            if process.is_running() and other is not body:
                _ = other.address
        process.wait()


def _is_there(body: Any) -> bool:
    return "address" in body.__dict__


def _has_room() -> bool:
    """Return True if this machine runs another Python at the same time."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return n_cores > 1 and not getattr(sys, "frozen", False)


@atexit.register
def _end_all() -> None:
    for process in _processes:
        if process.is_running():
            process.end()
