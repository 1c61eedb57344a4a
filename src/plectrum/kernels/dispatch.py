"""Which implementation of an operation is used, and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Literal, NamedTuple

Implementation = Literal["cpu", "torch"]

MANY_FROM = 2**21  # bytes of rows in one call that kernels take to be many: more than a second cache holds
_KNOWN_COLUMNS = frozenset({16, 32, 64, 128})
_COMPILED = frozenset({"float32", "float64", "float16", "bfloat16"})  # for every operation
_wanted: ContextVar[Implementation | None] = ContextVar("plectrum_implementation", default=None)
wanted = _wanted.get  # what `use` asks for where this is called; None where each choice is free


class Choice(NamedTuple):
    """An implementation, and the reason for it."""

    implementation: Implementation
    why: str


def choose(operation: str, device_type: str, dtype: str) -> Choice:
    """Return which implementation of `operation` serves tables of this dtype on this device.

    Parameters
    ----------
    operation : {"gather", "pool", "update"}
    device_type : str
        torch's name: "cpu", "cuda", ...
    dtype : str
        The dtype's name without ``torch.``.

    Examples
    --------
    >>> from plectrum.kernels.dispatch import choose
    >>> choose("update", "cpu", "float32")
    Choice(implementation='cpu', why='compiled for float32 on the CPU')
    >>> choose("update", "cuda", "float32").why
    "torch's operations serve every device; the compiled kernels are for the CPU"
    """
    return _choose(operation, device_type, dtype, wanted())


@cache  # asked for every table at every step
def _choose(operation: str, device_type: str, dtype: str, asked: Implementation | None) -> Choice:
    if asked == "torch":
        return Choice("torch", "asked for")
    if device_type != "cpu":
        return Choice("torch", "torch's operations serve every device; the compiled kernels are for the CPU")
    if dtype not in _COMPILED:
        return Choice("torch", f"{operation} is not compiled for {dtype}")
    return Choice("cpu", f"compiled for {dtype} on the CPU")


def known_columns(*dims: int) -> int:
    """Return the one number of columns that tables have if kernels are compiled for it; else 0, for any.

    A loop over a number of columns that the compiler knows is up to a fifth faster. A kernel that is not
    asked for is not compiled.
    """
    return dims[0] if dims[0] in _KNOWN_COLUMNS and len(set(dims)) == 1 else 0


@contextmanager
def use(implementation: Implementation) -> Iterator[None]:
    """Within this context, use one implementation wherever it can serve."""
    token = _wanted.set(implementation)
    try:
        yield
    finally:
        _wanted.reset(token)
