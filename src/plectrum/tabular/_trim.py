"""Fewer dims after training: the directions of a table that the network does not look at are left out.

What a row e of a table contributes to the first layer is ``W e``, with that layer's block W (h, d). With the
mean m and the covariance S of the rows, weighted by how often they occur, the contributions vary by ``W S
W'``; its eigenvectors V, the largest eigenvalues first, give

    z = V_k' W (e - m)         the new row, of k numbers
    W e  ~  V_k z + W m        V_k is the new block, W m goes into the bias

which for k = min(d, h) is exact, and for fewer is the best that k dims can do for the first layer.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from plectrum.tabular._columns import ColumnPlan, TableColumn
from plectrum.tabular._losses import RowLoss
from plectrum.tabular._network import ColumnNetwork
from plectrum.training import Rows, evaluate_loss


@dataclass(frozen=True)
class Directions:
    """A table in the directions that its first layer looks at, the most important first."""

    rows: Tensor  # (n_rows, k_max): z of every row
    block: Tensor  # (h, k_max): V
    bias: Tensor  # (h,): W m
    energies: Tensor  # (k_max,): variance that each direction gives the first layer


@dataclass(frozen=True)
class TrimStep:
    """One size that was tried: how many dims all tables have together, and the held-out loss with them."""

    n_dims: int
    loss: float


@torch.no_grad()
def find_directions(network: ColumnNetwork, columns: ColumnPlan) -> dict[str, Directions]:
    """Return the directions of every table of a network."""
    blocks = _blocks(network, columns.tables)
    return {column.name: _directions(network, column, blocks[column.name]) for column in columns.tables}


def _blocks(network: ColumnNetwork, tables: Sequence[TableColumn]) -> dict[str, Tensor]:
    """The part of the first layer's weight (h, d) that belongs to each table."""
    dims = [column.embedding_dim for column in tables]
    weight = network.first_layer.weight.detach()
    names = [column.name for column in tables]
    return dict(zip(names, torch.split(weight[:, : sum(dims)], dims, dim=1), strict=True))


def _directions(network: ColumnNetwork, column: TableColumn, block: Tensor) -> Directions:
    table = network.tables[column.name].detach().double()
    counts = np.asarray(column.vocabulary.counts, np.float64)
    reserved = [0.0, max(1, column.n_rare), column.n_missing]
    weight = torch.from_numpy(np.concatenate([reserved, counts]))
    weight /= weight.sum()
    mean = weight @ table
    centred = table - mean
    spread = (centred * weight[:, None].sqrt()) @ block.double().T if len(table) <= block.shape[1] else None
    if spread is None:  # many rows: the same right singular vectors from the small covariance
        values, vectors = torch.linalg.eigh((centred * weight[:, None]).T @ centred)
        spread = (vectors * values.clamp_min(0).sqrt()).T @ block.double().T
    _, sizes, directions = torch.linalg.svd(spread, full_matrices=False)
    k_max = min(column.embedding_dim, len(sizes))
    v = directions[:k_max].T
    return Directions(centred @ block.double().T @ v, v, block.double() @ mean, sizes[:k_max].square())


@torch.no_grad()
def with_dims(
    network: ColumnNetwork,
    columns: ColumnPlan,
    directions: Mapping[str, Directions],
    dims: Mapping[str, int],
) -> ColumnNetwork:
    """Return a network whose tables have the given dims, each at most that of its directions."""
    small = copy.deepcopy(network)
    first = small.first_layer
    n_table_inputs = sum(column.embedding_dim for column in columns.tables)
    parts, bias = [], first.bias.detach().double()
    for column in columns.tables:
        found, k = directions[column.name], dims[column.name]
        rows = found.rows[:, :k].float()
        rows[0] = 0.0  # padding
        small.tables.register_parameter(_parameter_name(small, column.name), nn.Parameter(rows))
        parts.append(found.block[:, :k].float())
        bias = bias + found.bias
    parts.append(first.weight.detach()[:, n_table_inputs:])
    first.weight = nn.Parameter(torch.cat(parts, 1))
    first.bias = nn.Parameter(bias.float())
    first.in_features = first.weight.shape[1]
    return small


def _parameter_name(network: ColumnNetwork, table: str) -> str:
    return next(name for name, value in network.tables.named_parameters() if value is network.tables[table])


def choose_dims(
    networks: Sequence[ColumnNetwork],
    columns: ColumnPlan,
    held_out: Rows,
    loss: RowLoss,
    *,
    loss_tolerance: float,
) -> tuple[dict[str, int], list[TrimStep]]:
    """Return the fewest dims that keep the mean held-out loss within the tolerance, and the sizes tried.

    The directions of all tables stand in one order, by what they give the first layer; a bisection finds how
    many of them are needed. Every table keeps one dim at least.
    """
    found = [find_directions(network, columns) for network in networks]
    order = _shared_order(found)

    def dims_of(n_kept: int) -> dict[str, int]:
        dims = dict.fromkeys(found[0], 1)
        for name, k in order[:n_kept]:
            dims[name] = max(dims[name], k + 1)
        return dims

    def loss_of(dims: Mapping[str, int]) -> float:
        small = [with_dims(n, columns, d, dims) for n, d in zip(networks, found, strict=True)]
        return float(np.mean([evaluate_loss(network, held_out, loss) for network in small]))

    allowed = float(np.mean([evaluate_loss(network, held_out, loss) for network in networks]))
    allowed += loss_tolerance * abs(allowed)
    steps: list[TrimStep] = []
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        dims = dims_of(middle)
        steps.append(TrimStep(sum(dims.values()), loss_of(dims)))
        low, high = (low, middle) if steps[-1].loss <= allowed else (middle + 1, high)
    return dims_of(low), sorted(steps, key=lambda step: step.n_dims)


def _shared_order(found: Sequence[Mapping[str, Directions]]) -> list[tuple[str, int]]:
    """(table, direction) by falling mean energy over the networks."""
    energy = {
        (name, k): float(np.mean([one[name].energies[k].item() for one in found]))
        for name in found[0]
        for k in range(len(found[0][name].energies))
    }
    return sorted(energy, key=lambda which: -energy[which])
