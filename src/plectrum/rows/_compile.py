"""What `torch.compile` must make no graph of: all that hangs on which rows are behind, or where memory lies.

Those are other rows at each step: a graph would serve once, or, worse, be taken to serve longer.

Three things can be asked. `torch.compiler.is_compiling`: whether this very call becomes part of a graph, of
`torch.export` as well. `callback`: whether this call runs as it is, but a function that it calls would become
a graph of its own, as where torch has given up on the caller. `compile_looks_on`: either, by `torch.compile`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_frames: Any = torch._C._dynamo.eval_frame

outside_graphs: Callable[..., Any] = torch.compiler.disable
"""What it returns `torch.compile` calls, and looks into nothing of it."""

callback: Callable[[], Any] = getattr(_frames, "get_eval_frame_callback", lambda: None)
"""Returns what makes a graph of the next function called; None where nothing does."""


def compile_looks_on() -> bool:
    """Return True where `torch.compile` makes a graph of this, or would of the next function called."""
    return torch.compiler.is_dynamo_compiling() or callback() is not None


def never_in_graphs(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, which `torch.compile` will leave to Python."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return (outside_graphs(function) if compile_looks_on() else function)(*args, **kwargs)

    return call


def for_autograd_alone(function: Callable[P, R]) -> Callable[P, R]:
    """As `never_in_graphs`, for what only autograd calls: torch does not so much as look at its arguments.

    Which it may do before the function begins, and a tensor that is recomputed can be looked at once.
    """
    if not hasattr(_frames, "set_code_exec_strategy"):
        return never_in_graphs(function)
    skip = _frames._FrameAction.SKIP
    _frames.set_code_exec_strategy(function.__code__, _frames._FrameExecStrategy(skip, skip))
    return function
