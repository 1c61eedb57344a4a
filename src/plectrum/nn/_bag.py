"""`EmbeddingBag`: several ids -> one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor
from torch.nn import functional

from plectrum.nn._keyed import KeyedTable
from plectrum.nn._lookup import pool
from plectrum.nn._pretrained import Fill, starting_table

if TYPE_CHECKING:
    from plectrum.vectors import Vectors
    from plectrum.vocabulary import Vocabulary


class EmbeddingBag(KeyedTable, torch.nn.EmbeddingBag):  # type: ignore[misc]
    """The sum, mean or maximum of the rows of each bag: ``output[b] = mode(weight[i] for i in bag b)``.

    `torch.nn.EmbeddingBag` with the same signature, numbers, gradients and `state_dict`, in which rows can
    have names (`from_keys`, `from_pretrained`) and a bad id is named. An empty bag gives zeros.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        The number of rows, and the length of each.
    max_norm, norm_type, scale_grad_by_freq, sparse, device, dtype
        As in `Embedding`; `sparse` and `scale_grad_by_freq` are not for ``mode="max"``.
    mode : {"sum", "mean", "max"}
        How a bag becomes one vector; only ``"sum"`` takes `per_sample_weights`.
    include_last_offset : bool
        The offsets end with the number of ids, as in the CSR format.
    padding_idx : int, optional
        A row that is left out of every bag and gets no gradient.

    Raises
    ------
    RowOutOfRangeError
        An id is negative or beyond the table (on CPU and uncompiled; elsewhere torch's own behaviour). It
        is a RuntimeError as well, which is what torch raises here.

    Examples
    --------
    >>> import torch, plectrum.nn
    >>> layer = plectrum.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bags = layer(torch.tensor([1, 2, 4, 5, 4]), offsets=torch.tensor([0, 2]))      # {1, 2} and {4, 5, 4}
    >>> torch.allclose(bags[1], 2 * layer.weight[4] + layer.weight[5])
    True
    """

    vectors = KeyedTable.vectors  # here again because TorchScript leaves out a class's own properties only

    def forward(
        self,
        input: Tensor,  # noqa: A002 (torch's name)
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        """Return one vector per bag, of shape (n_bags, embedding_dim).

        `input` holds int32 or int64 ids: of shape (n_bags, bag_size), or (n_ids,) with `offsets` (n_bags,)
        saying where each bag starts. `per_sample_weights` has the shape of `input` and multiplies the rows.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return functional.embedding_bag(
                *(input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq),
                *(self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx),
            )
        else:  # noqa: RET505 (TorchScript leaves out the other branch only when it is an else)
            if self._frozen is not None:
                self._hold_frozen()
            return pool(
                type(self).__name__,
                input,
                self.weight,
                offsets=offsets,
                per_sample_weights=per_sample_weights,
                mode=self.mode,
                padding_idx=self.padding_idx,
                max_norm=self.max_norm,
                norm_type=self.norm_type,
                scale_grad_by_freq=self.scale_grad_by_freq,
                sparse=self.sparse,
                include_last_offset=self.include_last_offset,
            )

    @classmethod
    def from_pretrained(  # noqa: PLR0917 (torch's signature)
        cls,
        embeddings: Tensor | Vectors,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        vocabulary: Vocabulary | None = None,
        missing: Fill = "normal",
    ) -> Self:
        """Return a layer whose table starts as these rows; it does not train unless ``freeze=False``.

        The arguments are those of torch's method, with `vocabulary` and `missing` as in
        `Embedding.from_pretrained`.

        Examples
        --------
        >>> import torch, plectrum.nn
        >>> layer = plectrum.nn.EmbeddingBag.from_pretrained(torch.tensor([[1.0, 2.0], [4.0, 5.0]]))
        >>> layer(torch.tensor([[1, 0]]))
        tensor([[2.5000, 3.5000]])
        """
        options: dict[str, Any] = {
            "norm_type": norm_type,
            "scale_grad_by_freq": scale_grad_by_freq,
            "mode": mode,
            "sparse": sparse,
            "include_last_offset": include_last_offset,
        }
        table, vocabulary, coverage = starting_table(embeddings, vocabulary, missing)
        if padding_idx is None and vocabulary is not None and coverage is not None:
            padding_idx = vocabulary.padding_row
        layer: Any = super().from_pretrained(table, freeze, max_norm, padding_idx=padding_idx, **options)
        layer.vocabulary, layer.coverage = vocabulary, coverage
        return cast(Self, layer)
