"""What `torch.compile` must make no graph of: all that hangs on which rows are behind, or where memory lies.

Those are other rows at each step: a graph would serve once, or, worse, be taken to serve longer.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

outside_graphs: Callable[..., Any] = torch.compiler.disable
"""What it returns `torch.compile` calls, and looks into nothing of it."""

callback: Callable[[], Any] = getattr(torch._C._dynamo.eval_frame, "get_eval_frame_callback", lambda: None)
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
