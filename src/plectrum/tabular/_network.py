"""The network behind the estimators: rows of tables and numbers, side by side, through a few layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from plectrum.nn import EmbeddingTables

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
NUMBER_EMBEDDINGS = ("none", "piecewise-linear", "periodic")
_N_BINS = 48
_BLOCK_ROWS = 256
NORMALIZATIONS = ("batch", "layer", "none")


@dataclass(frozen=True)
class NumberEmbedding:
    """How each scaled number becomes several: kind, how many, and the bins (piecewise-linear only).

    ``piecewise-linear``: where the number lies among the quantiles of training, linear within each bin;
    ``periodic``: sines and cosines of learned frequencies, then a linear layer.

    References
    ----------
    Gorishniy, Rubachev and Babenko 2022, "On Embeddings for Numerical Features in Tabular Deep Learning".
    """

    kind: str
    embedding_dim: int
    bins: list[list[float]] | None

    @classmethod
    def learn(cls, kind: str, numbers: Tensor, embedding_dim: int) -> "NumberEmbedding | None":
        """Choose the bins from scaled numbers (n, n_numbers); None when there is nothing to embed."""
        if kind == "none" or not numbers.shape[1]:
            return None
        if kind == "periodic":
            return cls(kind, embedding_dim, None)
        share = torch.linspace(0, 1, _N_BINS + 1, dtype=torch.float64).numpy()
        bins = [np.unique(np.quantile(column, share)).tolist() for column in numbers.double().numpy().T]
        return cls(kind, embedding_dim, [b if len(b) > 1 else [b[0] - 1, b[0] + 1] for b in bins])

    def build(self, n_numbers: int) -> nn.Module:
        """Return the module (batch, n_numbers) -> (batch, n_numbers, embedding_dim)."""
        import rtdl_num_embeddings as rtdl

        if self.bins is None:
            return rtdl.PeriodicEmbeddings(n_numbers, self.embedding_dim, lite=False)
        bins = [torch.tensor(edges, dtype=torch.float32) for edges in self.bins]
        return rtdl.PiecewiseLinearEmbeddings(bins, self.embedding_dim, activation=False, version="B")


class ColumnNetwork(nn.Module):
    """``output = layers(concatenate(rows of the tables, numbers))``.

    Parameters
    ----------
    tables : mapping of str to (int, int)
        ``(n_rows, embedding_dim)`` of each table, in the order of the columns of the ids.
    n_numbers : int
        How many scaled numbers a row has; ``n_marks`` more say which of them were missing.
    hidden : sequence of int
        Width of each hidden layer; empty for a linear model on the rows.
    embedding_dropout, dropout : float
        Probability that a number of a looked-up row, or of a hidden layer's output, is set to 0 in training.
    number_embedding : NumberEmbedding, optional
        How each number becomes several, with a module of ``rtdl_num_embeddings``.

    Notes
    -----
    Each hidden layer is linear, activation, normalisation, dropout. The first linear layer sees the rows
    unchanged, so that a change of basis of a table can be folded into it.
    """

    def __init__(
        self,
        tables: Mapping[str, tuple[int, int]],
        *,
        n_numbers: int,
        n_marks: int,
        n_outputs: int,
        hidden: Sequence[int],
        activation: str = "relu",
        normalization: str = "batch",
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
        number_embedding: NumberEmbedding | None = None,
    ) -> None:
        super().__init__()
        self.tables = EmbeddingTables(tables)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.number_embedding = None if number_embedding is None else number_embedding.build(n_numbers)
        self.n_numbers = n_numbers
        per_number = 1 if number_embedding is None else number_embedding.embedding_dim
        width = self.tables.embedding_dim + n_marks + n_numbers * per_number
        self.body = nn.Sequential()
        width = max(width, 1)  # no usable column: one zero, so that the output is a bias
        for size in hidden:
            self.body.append(nn.Linear(width, size))
            self.body.append(ACTIVATIONS[activation]())
            if normalization == "batch":
                self.body.append(nn.BatchNorm1d(size))
            elif normalization == "layer":
                self.body.append(nn.LayerNorm(size))
            if dropout:
                self.body.append(nn.Dropout(dropout))
            width = size
        self.body.append(nn.Linear(width, n_outputs))
        self.is_single = n_outputs == 1

    @property
    def first_layer(self) -> nn.Linear:
        """The layer that sees the rows of the tables."""
        layer = self.body[0]
        assert isinstance(layer, nn.Linear)
        return layer

    @property
    def last_layer(self) -> nn.Linear:
        """The layer that gives the output."""
        layer = self.body[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, ids: Tensor, numbers: Tensor) -> Tensor:
        """Return (batch,) for one output, (batch, n_outputs) for several.

        `ids` (batch, n_tables) int64; `numbers` (batch, n_numbers + n_marks) float32.
        """
        parts = []
        if ids.shape[1]:
            parts.append(self.embedding_dropout(self.tables(ids)))
        if self.number_embedding is not None:
            parts.append(self.number_embedding(numbers[:, : self.n_numbers]).flatten(1))
            numbers = numbers[:, self.n_numbers :]
        if numbers.shape[1]:
            parts.append(numbers)
        if not parts:
            parts.append(numbers.new_zeros(len(ids), 1))
        output: Tensor = self.body(parts[0] if len(parts) == 1 else torch.cat(parts, 1))
        return output.squeeze(1) if self.is_single else output


@torch.inference_mode()
def run_network(network: ColumnNetwork, ids: Tensor, numbers: Tensor) -> Tensor:
    """Return the outputs of a network for rows (n, ...).

    The rows go through in blocks of 256, the last one filled up: matrix products of one shape give a row the
    same answer, to the last bit, whatever rows stand beside it.
    """
    network.eval()
    n = len(ids)
    n_filling = -n % _BLOCK_ROWS
    ids = torch.cat([ids, ids.new_zeros(n_filling, ids.shape[1])])
    numbers = torch.cat([numbers, numbers.new_zeros(n_filling, numbers.shape[1])])
    blocks = zip(torch.split(ids, _BLOCK_ROWS), torch.split(numbers, _BLOCK_ROWS), strict=True)
    return torch.cat([network(*block) for block in blocks])[:n]
