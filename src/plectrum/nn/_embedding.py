"""`Embedding`: ids -> rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor
from torch.nn import functional

from plectrum.nn._keyed import KeyedTable
from plectrum.nn._lookup import look_up
from plectrum.nn._pretrained import Fill, starting_table

if TYPE_CHECKING:
    from plectrum.vectors import Vectors
    from plectrum.vocabulary import Vocabulary


class Embedding(KeyedTable, torch.nn.Embedding):  # type: ignore[misc]
    """The rows of a trainable table: ``output[i] = weight[ids[i]]``.

    `torch.nn.Embedding` with the same signature, numbers, gradients and `state_dict`, in which rows can
    have names (`from_keys`, `from_pretrained`) and a bad id is named. A lookup is the product of a one-hot
    row with the table, without the product; hence the gradient, ``onehot.T @ grad_output``, is zero outside
    the rows looked up.

    Parameters
    ----------
    num_embeddings : int
        The number of rows.
    embedding_dim : int
        The length of each.
    padding_idx : int, optional
        A row that starts at zero and gets no gradient; negative counts from the end.
    max_norm, norm_type : float
        Rows longer than `max_norm` (in the p-norm `norm_type`) are shortened to it, in place, as they are
        looked up.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often the row stands among the ids.
    sparse : bool
        Make the gradient a sparse tensor of the rows looked up.
    device, dtype
        Where and in what numbers the table is held: any float dtype.

    Raises
    ------
    RowOutOfRangeError
        An id is negative or beyond the table (on CPU and uncompiled; elsewhere torch's own behaviour).

    Notes
    -----
    Rows start as N(0, 1), drawn as torch draws them, so that the same seed gives the same numbers;
    `from_keys` and `EmbeddingTables` start at 1/sqrt(embedding_dim). Cost: reads and writes ``ids.numel() *
    embedding_dim`` numbers, whatever the size of the table.

    Examples
    --------
    A lookup equals one-hot times matrix, and its gradient reaches only the rows that were looked up:

    >>> import torch, plectrum.nn
    >>> layer = plectrum.nn.Embedding(5, 3)
    >>> ids = torch.tensor([1, 4, 1])
    >>> onehot = torch.nn.functional.one_hot(ids, 5).float()        # (3, 5)
    >>> torch.equal(layer(ids), onehot @ layer.weight)
    True
    >>> layer(ids).sum().backward()
    >>> layer.weight.grad[:, 0]
    tensor([0., 2., 0., 0., 1.])
    """

    vectors = KeyedTable.vectors  # here again because TorchScript leaves out a class's own properties only

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """Return ``weight[input]``, of shape (\\*input.shape, embedding_dim).

        `input` holds int32 or int64 ids in [0, num_embeddings), in any shape, empty included.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return functional.embedding(
                *(input, self.weight, self.padding_idx, self.max_norm, self.norm_type),
                *(self.scale_grad_by_freq, self.sparse),
            )
        else:  # noqa: RET505 (TorchScript leaves out the other branch only when it is an else)
            if self._frozen is not None:
                self._hold_frozen()
            return look_up(
                type(self).__name__,
                input,
                self.weight,
                padding_idx=self.padding_idx,
                max_norm=self.max_norm,
                norm_type=self.norm_type,
                scale_grad_by_freq=self.scale_grad_by_freq,
                sparse=self.sparse,
            )

    @classmethod
    def from_pretrained(  # noqa: PLR0917 (torch's signature)
        cls,
        embeddings: Tensor | Vectors,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        vocabulary: Vocabulary | None = None,
        missing: Fill = "normal",
    ) -> Self:
        """Return a layer whose table starts as these rows; it does not train unless ``freeze=False``.

        Parameters
        ----------
        embeddings : torch.Tensor (num_embeddings, embedding_dim) or Vectors
            A tensor is used as it is, memory shared, as torch does. `Vectors` bring their keys: rows are
            laid out for the vocabulary, with its three reserved rows in front and row 0 as padding.
        freeze : bool
            True (torch's default) fixes the whole table; ``layer.weight.requires_grad`` shows it.
        padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
            As in the constructor.
        vocabulary : Vocabulary, optional
            The keys the table is for. Rows are aligned by key, and `layer.coverage` says how many were found.
        missing : {"normal", "mean", "zeros"}
            What rows without a vector start as: normal numbers with the deviation of the vectors found, their
            mean, or zeros.

        Examples
        --------
        >>> import torch, plectrum.nn
        >>> layer = plectrum.nn.Embedding.from_pretrained(torch.tensor([[1.0, 2.3], [4.0, 5.1]]))
        >>> layer(torch.tensor([1]))
        tensor([[4.0000, 5.1000]])
        """
        options: dict[str, Any] = {
            "max_norm": max_norm,
            "norm_type": norm_type,
            "scale_grad_by_freq": scale_grad_by_freq,
            "sparse": sparse,
        }
        table, vocabulary, coverage = starting_table(embeddings, vocabulary, missing)
        if padding_idx is None and vocabulary is not None and coverage is not None:
            padding_idx = vocabulary.padding_row
        layer: Any = super().from_pretrained(table, freeze, padding_idx, **options)  # type: ignore[no-untyped-call]
        layer.vocabulary, layer.coverage = vocabulary, coverage
        return cast(Self, layer)
