"""Kernels run by the very threads that torch keeps.

Between its own operations torch's OpenMP threads spin for some milliseconds, waiting for the next one. A pool
beside them would share the cores with threads that do nothing; so kernels go to those threads, which start
within a microsecond. Where torch has no such threads, or they did not survive a fork, the pool of
`plectrum.kernels._threads` takes their place.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from plectrum.kernels._threads import run_in_threads

_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_function_at = functools.cache(_FUNCTION)
_LIBRARIES = ("libtorch_cpu.so", "libtorch_cpu.dylib")


class Body(Protocol):
    """A compiled function of one address; see `plectrum.kernels.native._cpu_compile.compiled_body`."""

    @property
    def address(self) -> int:
        """Where the machine code begins."""
        ...


class _Team:
    """OpenMP's way of running one function on several threads, looked for once."""

    parallel: Callable[..., Any] | None = None
    is_known = False

    @classmethod
    def find(cls) -> Callable[..., Any] | None:
        if not cls.is_known and "torch" in sys.modules:
            cls.is_known, cls.parallel = True, _parallel_of(sys.modules["torch"])
        return cls.parallel

    @classmethod
    def forget(cls) -> None:
        cls.is_known, cls.parallel = True, None


def _parallel_of(torch: Any) -> Callable[..., Any] | None:
    """Return the `GOMP_parallel` that torch's own operations call, None where it calls none."""
    folder = Path(torch.__file__).parent / "lib"
    for name in _LIBRARIES:
        try:
            parallel: Any = ctypes.CDLL(str(folder / name), mode=os.RTLD_NOW).GOMP_parallel
        except (OSError, AttributeError):
            continue
        parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        parallel.restype = None
        return parallel
    return None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Team.forget)


def run_in_team(body: Body, arguments: array[int], n_threads: int) -> None:
    """Let up to `n_threads` threads run ``body(address of arguments)`` at once, and wait for all of them.

    Each thread runs the whole body, which takes its share of the work by counting up a number among the
    arguments (`take_turn`).

    Parameters
    ----------
    body : Body
        Compiled code that needs no interpreter.
    arguments : array of int64 (``array("q")``)
        Numbers and addresses; results are written there too.
    n_threads : int
        Usually ``torch.get_num_threads()``.

    Notes
    -----
    Cost: about 2 microseconds where torch's threads still spin, 10 where they sleep, 40 with the pool. The
    interpreter lock is released meanwhile.
    """
    at = arguments.buffer_info()[0]
    if n_threads <= 1:
        _function_at(body.address)(at)
        return
    parallel = _Team.parallel if _Team.is_known else _Team.find()
    if parallel is not None:
        parallel(body.address, at, n_threads, 0)
    else:
        run_in_threads(_function_at(body.address), [(at,)] * n_threads, n_threads)
