"""Which parameters of a model are tables of rows."""

from collections.abc import Iterator

import torch
from torch.nn.parameter import Parameter

_MARK = "_plectrum_is_table"


def mark_as_table(parameter: Parameter) -> Parameter:
    """Say that this parameter is a table, for optimizers that are given parameters and not modules."""
    setattr(parameter, _MARK, True)
    return parameter


def is_marked(parameter: object) -> bool:
    """Return True for a parameter that `mark_as_table` was called on."""
    return bool(getattr(parameter, _MARK, False))


def tables_of(module: torch.nn.Module) -> Iterator[Parameter]:
    """Yield the parameters of a module and its children that are tables, each once.

    The weights of `torch.nn.Embedding` and `torch.nn.EmbeddingBag` (plectrum's are subclasses), what a module
    gives by a method ``row_parameters()``, and what is marked.

    Examples
    --------
    >>> import torch
    >>> from plectrum.rows import tables_of
    >>> model = torch.nn.Sequential(torch.nn.Embedding(10, 4), torch.nn.Linear(4, 1))
    >>> [tuple(table.shape) for table in tables_of(model)]
    [(10, 4)]
    """
    seen: set[int] = set()
    for part in module.modules():
        found: list[Parameter] = []
        if isinstance(part, torch.nn.Embedding | torch.nn.EmbeddingBag):
            found += [part.weight]  # type: ignore[list-item]
        elif callable(give := getattr(part, "row_parameters", None)):
            found.extend(give())
        found.extend(p for p in part.parameters(recurse=False) if is_marked(p))
        for table in found:
            if isinstance(table, Parameter) and id(table) not in seen:
                seen.add(id(table))
                yield table
