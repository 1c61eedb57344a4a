"""Nested training state <-> one file, without pickle: tensors as safetensors, the nesting as JSON."""

import json
import os
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from plectrum import formats
from plectrum.errors import FormatError

_SKELETON = "plectrum.state"


def save_state(path: str | os.PathLike[str], state: Any) -> None:
    """Write nested dicts, lists, tensors, arrays, numbers, strings and None to one safetensors file.

    The file is written beside its place and then renamed, so that it is whole or absent.

    Parameters
    ----------
    path : path
        Where to write.
    state : dict, list, tuple, torch.Tensor, numpy.ndarray, int, float, str, bool or None
        What to write; dict keys are strings or integers. A tuple comes back as a list, an array as a tensor.

    Raises
    ------
    TypeError
        When something else stands in the nesting.

    Examples
    --------
    >>> import pathlib, tempfile, torch
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "s.safetensors"
    >>> save_state(file, {"epoch": 3, "moments": {0: torch.ones(2)}})
    >>> load_state(file)
    {'epoch': 3, 'moments': {0: tensor([1., 1.])}}
    """
    tensors: dict[str, torch.Tensor] = {}
    skeleton = json.dumps(_take_apart(state, tensors))
    with formats.atomic_path(path) as beside:
        save_file(tensors, beside, metadata={_SKELETON: skeleton})


def load_state(path: str | os.PathLike[str]) -> Any:
    """Read what :func:`save_state` wrote; tensors are fresh and on the CPU.

    Raises
    ------
    FormatError
        When the file is damaged, or holds something else.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            skeleton = (file.metadata() or {})[_SKELETON]
            return _put_together(json.loads(skeleton), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except FileNotFoundError:
        raise
    except Exception as cause:
        raise FormatError(
            f"`path` of `load_state` must be a state file of plectrum; {str(path)!r} is damaged or another "
            f"kind of file ({type(cause).__name__}: {cause}). Delete it and train again.",
            path=str(path),
            expected="safetensors with the entry plectrum.state",
        ) from cause


def _take_apart(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The JSON of `node`, in which every tensor is the name under which it was put into `tensors`."""
    if isinstance(node, np.ndarray):
        node = torch.from_numpy(np.ascontiguousarray(node))
    if isinstance(node, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = node.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"t": name}
    if isinstance(node, dict):
        pairs = []
        for key, value in node.items():
            if type(key) not in (str, int):
                raise TypeError(
                    f"`state` of `save_state` must have keys of type str or int; got {key!r}. Rename it."
                )
            pairs.append([key, _take_apart(value, tensors)])
        return {"d": pairs}
    if isinstance(node, (list, tuple)):
        return {"l": [_take_apart(value, tensors) for value in node]}
    if isinstance(node, np.generic):
        node = node.item()
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    raise TypeError(
        f"`state` of `save_state` must hold tensors, arrays, numbers, strings and None; got "
        f"{type(node).__name__}. Turn it into one of these."
    )


def _put_together(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(node, dict):
        return node
    if "t" in node:
        return tensors[node["t"]]
    if "d" in node:
        return {key: _put_together(value, tensors) for key, value in node["d"]}
    return [_put_together(value, tensors) for value in node["l"]]
