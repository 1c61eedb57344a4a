"""Kernels compiled by a process beside this one, while this one compiles others.

A first step needs three or four kernels, and Numba, which is written in Python, compiles one at a time: eight
seconds or more. So when one is found missing, another process compiles those of another family, and leaves
them in the cache. The code is the same; a process that does not start, or fails, only saves nothing. Where
other programs want the cores it may cost some time.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.spawn import get_executable
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

_PATIENCE = 60.0  # seconds after which nobody waits for a process any more
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from plectrum.kernels._beside import compile_each; compile_each(sys.argv[1])"
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


Family = Sequence[Kernel]  # that have parts in common, which one process compiles once
_expected: WeakKeyDictionary[Any, list[Family]] = WeakKeyDictionary()  # by who will ask for them
_processes: list[_Process] = []  # at most one that runs


def expect(owner: object, *families: Family) -> None:
    """Take note of the kernels that `owner` will ask for soon, while it lives."""
    _expected.setdefault(owner, []).extend(family for family in families if family)


def compile_each(kernels: str) -> None:
    """Compile these, given as JSON, unless they are found in the cache: what the process beside runs."""
    for kernel in json.loads(kernels):
        _ = Kernel(*kernel).find().address


class _Process:
    """A process that compiles the bodies of one family, and those that this one is to compile meanwhile."""

    def __init__(self, python: str, family: Family, bodies: Sequence[Any], meanwhile: Sequence[Any]) -> None:
        self.bodies, self.meanwhile = bodies, meanwhile
        self.process = subprocess.Popen(
            [python, "-P", "-c", _PROGRAM, json.dumps(family), *map(str, sys.path)],
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


def start_beside(body: Any) -> None:
    """Let a process compile a family that is expected besides that of this body, which is compiled here.

    The latest to expect kernels is thought to be the one that asks. Called while Numba's lock is held, from
    within somebody's first step: whatever goes wrong, that step can do without.
    """
    with suppress(Exception):
        _processes[:] = [p for p in _processes if p.is_running()]
        python = _python()
        if python is not None and not _processes:
            _start_first(python, body)


def _start_first(python: str, body: Any) -> None:
    for families in reversed(list(_expected.values())):
        for family in families:
            bodies = [kernel.find() for kernel in family]
            if body not in bodies and not all("address" in b.__dict__ for b in bodies):
                meanwhile = [kernel.find() for other in families if other is not family for kernel in other]
                _processes.append(_Process(python, family, bodies, meanwhile))
                return


def wait_or_compile_others(body: Any) -> None:
    """Return when no process beside compiles this body; meanwhile compile what its owner asks for next."""
    for process in _processes[:]:  # which compiling another may start anew
        if body in process.bodies:
            for other in process.meanwhile:
                if process.is_running():
                    _ = other.address
            process.wait()


def _python() -> str | None:
    """Return the Python to start, None where there is no core for it or this program is no Python itself."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    program = os.fsdecode(get_executable() or "")
    return program if n_cores > 1 and Path(program).name.lower().startswith("python") else None


@atexit.register
def _end_all() -> None:
    for process in _processes:
        if process.is_running():
            process.end()
