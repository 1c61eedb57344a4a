"""What `Embedding` and `EmbeddingBag` have in common beyond torch: rows that answer to their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from plectrum.nn._control import ControlledRows
from plectrum.rows import mark_as_table

if TYPE_CHECKING:
    from collections.abc import Hashable

    from plectrum.nn._pretrained import Coverage
    from plectrum.vectors import Vectors
    from plectrum.vocabulary import Vocabulary


class KeyedTable(ControlledRows):
    """A module with a `weight` whose rows a `Vocabulary` names.

    The vocabulary is an attribute of the module, not part of its `state_dict`: that stays torch's.
    """

    if TYPE_CHECKING:  # TorchScript reads a class's annotations, and cannot read these
        vocabulary: Vocabulary | None
        coverage: Coverage | None
    else:
        vocabulary = coverage = None
    __jit_unused_properties__ = ("vectors", "frozen_rows")
    __jit_ignored_attributes__ = ("vectors",)

    def register_parameter(self, name: str, param: torch.nn.Parameter | None) -> None:
        """Register as torch does, and say that the weight is a table, to optimizers that know rows."""
        super().register_parameter(name, param)
        if name == "weight" and param is not None:
            mark_as_table(param)

    __iter__ = None  # else Python, which sees layer[key], would iterate over layer[0], layer[1], ...

    @classmethod
    def from_keys(
        cls,
        values: Any,
        embedding_dim: int,
        *,
        min_count: int = 1,
        max_size: int | None = None,
        init_std: float | None = None,
        **options: Any,
    ) -> Self:
        """Return a layer with one row for each distinct key among the values, and three reserved rows.

        Row 0 is padding (zero, never trained), row 1 stands for unknown keys, row 2 for missing values; the
        keys follow. Rows start as normal numbers with a deviation of 1/sqrt(embedding_dim), so that a row
        has a length of about 1 whatever its dim; torch's N(0, 1), which the plain constructor keeps, is
        wide for wide tables.

        Parameters
        ----------
        values : sequence, array, Series, or Vocabulary
            What to learn the keys from; a `Vocabulary` is taken as it is.
        embedding_dim : int
            The length of each row.
        min_count, max_size
            As in `Vocabulary.learn`: rarer keys, and those beyond the most frequent `max_size`, get no row.
        init_std : float, optional
            Deviation of the starting numbers, 1/sqrt(embedding_dim) by default.
        **options
            Any other argument of the constructor.

        Examples
        --------
        >>> import plectrum.nn
        >>> layer = plectrum.nn.Embedding.from_keys(["Berlin", "Paris", "Berlin", None], embedding_dim=4)
        >>> layer.vocabulary.keys
        ['Berlin', 'Paris']
        >>> layer.encode(["Paris", "Atlantis", None])
        tensor([4, 1, 2])
        >>> layer["Berlin"].shape
        torch.Size([4])
        """
        from plectrum.vocabulary import Vocabulary

        if isinstance(values, Vocabulary):
            vocabulary = values
        else:
            vocabulary = Vocabulary.learn(values, min_count=min_count, max_size=max_size)
        options.setdefault("padding_idx", vocabulary.padding_row)
        layer = cls(vocabulary.n_rows, embedding_dim, **options)
        with torch.no_grad():
            layer.weight.mul_(embedding_dim**-0.5 if init_std is None else init_std)
        layer.vocabulary = vocabulary
        return layer

    def encode(self, values: Any, *, unknown: Literal["row", "error"] = "row") -> Tensor:
        """Return the rows of the values as an int64 tensor on the layer's device, ready for the layer.

        Unknown and missing values get their reserved rows; with ``unknown="error"`` the first unknown one
        raises `UnknownKeyError`. The vocabulary's rows, so no id that comes from here can lie outside the
        table.
        """
        rows = self._known("encode values").encode(values, unknown=unknown)
        return torch.as_tensor(rows, device=self.weight.device)

    def __getitem__(self, key: Hashable) -> Tensor:
        """Return a copy of the key's row, of shape (embedding_dim,), without its history of gradients."""
        return self.weight.detach()[self._known("look keys up").row(key)].clone()

    def __contains__(self, key: object) -> bool:
        return self.vocabulary is not None and key in self.vocabulary

    def __dir__(self) -> list[str]:
        """Leave out what a layer without keys has not: `torch.jit.trace` looks at each name in it."""
        names: list[str] = super().__dir__()  # type: ignore[no-untyped-call]
        return names if self.vocabulary is not None else [name for name in names if name != "vectors"]

    @property
    def vectors(self) -> Vectors:
        """The rows with their keys, as `Vectors`: a copy in NumPy, unknown and missing rows set apart."""
        from plectrum.vectors import Vectors

        known = self._known("give labelled vectors")
        matrix = as_numpy(self.weight)
        return Vectors(
            known.keys,
            matrix[known.n_rows - len(known) : known.n_rows],
            counts=known.counts,
            unknown=matrix[known.unknown_row],
            missing=matrix[known.missing_row],
        )

    def extra_repr(self) -> str:
        """Return torch's description, and what plectrum knows beyond it."""
        parts = [super().extra_repr()]
        if self.vocabulary is not None:
            parts.append(f"keys={len(self.vocabulary):,}")
        if self.coverage is not None:
            parts.append(f"found={self.coverage.n_found:,}")
        n_frozen = len(self.frozen_rows)
        if n_frozen:
            all_or_some = "True" if n_frozen == self.num_embeddings else f"{n_frozen:,} rows"
            parts.append(f"frozen={all_or_some}")
        return ", ".join(parts)


def as_numpy(weight: Tensor) -> np.ndarray:
    """Return a copy of the tensor in NumPy; bfloat16, which NumPy has not, becomes float32."""
    table = weight.detach().cpu()
    return (table.float() if table.dtype is torch.bfloat16 else table).numpy().copy()
