"""Rows under control: which of a layer's rows train, and how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from plectrum.errors import ArgumentError
from plectrum.nn._frozen import FrozenRows, frozen_rows, keep_frozen
from plectrum.nn._grow import grow_table
from plectrum.nn._row_arguments import Start, row_mask, starting_rows

if TYPE_CHECKING:
    from torch.nn import Parameter

    from plectrum.vocabulary import Vocabulary


class ControlledRows(torch.nn.Module):
    """A module with a `weight` of which rows can be frozen, and to which rows can be added."""

    if TYPE_CHECKING:  # TorchScript reads a class's annotations, and cannot read these
        weight: Parameter
        num_embeddings: int
        embedding_dim: int
        vocabulary: Vocabulary | None
        _frozen: FrozenRows | None
    else:
        _frozen = None

    def freeze(self, rows_or_keys: Any = None) -> Self:
        """Keep these rows as they are (all rows when None): no gradient, no momentum, no decay; return the
        layer.

        It holds under every optimizer, plectrum's and torch's, until `unfreeze`.

        Parameters
        ----------
        rows_or_keys : keys, row numbers, or bool tensor (num_embeddings,)
            Integers and tensors of integers are rows; in a layer with a vocabulary everything but a tensor
            is keys.

        Raises
        ------
        UnknownKeyError, RowOutOfRangeError
            A key or a row that the layer has not. Nothing is frozen then.

        Examples
        --------
        >>> import torch, plectrum.nn
        >>> layer = plectrum.nn.Embedding.from_keys(["Berlin", "Paris"], embedding_dim=4).freeze(["Paris"])
        >>> layer(layer.encode(["Paris", "Berlin"])).sum().backward()
        >>> layer.weight.grad[layer.encode(["Paris", "Berlin"]), 0]
        tensor([0., 1.])
        """
        mask = self._mask(rows_or_keys, "freeze")
        frozen = self._held()
        return self._set_frozen(mask if frozen is None else frozen.mask | mask)

    def unfreeze(self, rows_or_keys: Any = None) -> Self:
        """Let these rows (all rows when None) train again; return the layer."""
        mask = self._mask(rows_or_keys, "unfreeze")
        self.weight.requires_grad_(True)
        frozen = self._held()
        return self if frozen is None else self._set_frozen(frozen.mask & ~mask)

    def train_only(self, rows_or_keys: Any) -> Self:
        """Let these rows train and freeze all others, those of a frozen `from_pretrained` too; return the
        layer.

        Rows that are added later train as well.

        Examples
        --------
        >>> import torch, plectrum, plectrum.nn
        >>> vectors = plectrum.Vectors(["a", "b"], [[1.0, 2.0], [3.0, 4.0]])
        >>> words = plectrum.Vocabulary.from_keys(["a", "b", "new"])
        >>> layer = plectrum.nn.Embedding.from_pretrained(vectors, vocabulary=words)
        >>> layer = layer.train_only(layer.coverage.not_found)      # the known vectors stay as they are
        >>> layer.frozen_rows
        tensor([0, 1, 2, 3, 4])
        """
        mask = ~self._mask(rows_or_keys, "train_only")
        self.weight.requires_grad_(True)
        return self._set_frozen(mask)

    @property
    def frozen_rows(self) -> Tensor:
        """The rows that do not train, ascending, int64 (n_frozen,); all when the weight needs no gradient."""
        if not self.weight.requires_grad:
            return torch.arange(self.num_embeddings, device=self.weight.device)
        frozen = self._held()
        if frozen is None:
            return torch.zeros(0, dtype=torch.int64, device=self.weight.device)
        return frozen.rows.clone()

    def grow(self, n: int, *, start: Start | Tensor = "normal") -> Self:
        """Append n rows; return the layer. Old rows and their optimizer state stay bit for bit.

        The Parameter remains the same object, so optimizers go on with it.

        Parameters
        ----------
        n : int
            How many rows.
        start : {"normal", "mean", "zeros"} or tensor (n, embedding_dim)
            What they start as: normal numbers with the deviation of the present rows, the present rows' mean,
            zeros, or these rows.

        Examples
        --------
        >>> import plectrum.nn
        >>> plectrum.nn.Embedding(10, 4).grow(5).weight.shape
        torch.Size([15, 4])
        """
        grow_table(self.weight, starting_rows(f"{type(self).__name__}.grow", self.weight, n, start))
        self.num_embeddings = self.weight.shape[0]
        return self

    def add_keys(self, keys: Any, *, start: Start | Tensor = "normal") -> list[Any]:
        """Take in keys, and append a row for each that is new; return the new keys, in the order of their
        rows.

        The vocabulary grows too, and whoever shares it sees the new keys.

        Examples
        --------
        >>> import plectrum.nn
        >>> layer = plectrum.nn.Embedding.from_keys(["Berlin", "Paris"], embedding_dim=4)
        >>> berlin = layer["Berlin"]
        >>> layer.add_keys(["Rome", "Berlin"])
        ['Rome']
        >>> layer["Rome"].shape, bool((layer["Berlin"] == berlin).all())
        (torch.Size([4]), True)
        """
        vocabulary = self._known("take in keys")
        new = vocabulary.add(keys)
        if vocabulary.n_rows > self.num_embeddings:
            self.grow(vocabulary.n_rows - self.num_embeddings, start=start)
        return list(new)

    # ---- inside

    def _known(self, purpose: str) -> Vocabulary:
        if self.vocabulary is None:
            raise ArgumentError(
                f"`vocabulary` of `{type(self).__name__}` must be set to {purpose}; got None. Make the "
                "layer with `from_keys` or `from_pretrained(vectors)`, or set `layer.vocabulary`."
            )
        return self.vocabulary

    def _mask(self, rows_or_keys: Any, method: str) -> Tensor:
        return row_mask(f"{type(self).__name__}.{method}", rows_or_keys, self.weight, self.vocabulary)

    def _set_frozen(self, mask: Tensor) -> Self:
        frozen = self._held()
        if frozen is None:
            self._frozen = frozen = FrozenRows(mask)
        else:
            frozen.change(mask)
        keep_frozen(self.weight, frozen)
        return self

    def _held(self) -> FrozenRows | None:
        """Return what is frozen in the weight, None when nothing is.

        The table's word counts before the layer's: it may be another layer's as well. A weight that took the
        place of another (a copy, one assigned) has none yet, and takes the layer's.
        """
        frozen = frozen_rows(self.weight)
        if frozen is not None:
            self._frozen = frozen
        elif self._frozen is not None and self._frozen.mask.shape[0] == self.weight.shape[0]:
            keep_frozen(self.weight, self._frozen)
        return None if self._frozen is None else self._frozen.on(self.weight.device)

    def _hold_frozen(self) -> None:
        """Freeze in the present weight what the layer has frozen, if it is not yet."""
        if torch.compiler.is_compiling():
            return
        frozen = self._held()
        if frozen is not None and frozen._hook is None:
            keep_frozen(self.weight, frozen)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "weight" and self._frozen is not None:
            self._hold_frozen()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if self._frozen is not None:
            self._hold_frozen()
