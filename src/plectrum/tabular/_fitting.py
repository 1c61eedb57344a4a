"""Training one network of an estimator: from encoded rows to a network and what is known of its making."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plectrum import optim
from plectrum.tabular._columns import ColumnPlan
from plectrum.tabular._losses import RowLoss
from plectrum.tabular._network import ColumnNetwork, NumberEmbedding
from plectrum.training import (
    Film,
    FilmRecorder,
    History,
    Plan,
    ProgressListener,
    Rows,
    UpdateCounter,
    train,
)

_UNKNOWN, _MISSING, _FIRST_KEY = 1, 2, 3
_LARGE = 2_000_000  # numbers in all tables from which a step by rows costs less than a step of everything


@dataclass(frozen=True)
class NetworkSettings:
    """Everything about the network and its training that the user may choose, resolved to values."""

    hidden: tuple[int, ...]
    activation: str
    normalization: str
    embedding_dropout: float
    dropout: float
    n_outputs: int
    learning_rate: float
    weight_decay: float
    table_decay: float
    unknown_rate: float
    number_embedding: NumberEmbedding | None


@dataclass
class FittedNetwork:
    """A trained network; per table and row, the batches it was in and how far it moved from its start."""

    network: ColumnNetwork
    history: History
    n_updates: dict[str, np.ndarray]
    moved: dict[str, np.ndarray]
    films: dict[str, Film]


def are_large(sizes: Iterable[tuple[int, int]]) -> bool:
    """Whether tables of these sizes (n_rows, embedding_dim) are trained row by row, not as a whole."""
    return sum(n_rows * dim for n_rows, dim in sizes) > _LARGE


def build_network(columns: ColumnPlan, settings: NetworkSettings) -> ColumnNetwork:
    """Return a network of random weights, from torch's global generator."""
    return ColumnNetwork(
        {column.name: column.size for column in columns.tables},
        n_numbers=len(columns.numbers),
        n_marks=columns.n_marks,
        n_outputs=settings.n_outputs,
        hidden=settings.hidden,
        activation=settings.activation,
        normalization=settings.normalization,
        embedding_dropout=settings.embedding_dropout,
        dropout=settings.dropout,
        number_embedding=settings.number_embedding,
    )


def fit_network(
    columns: ColumnPlan,
    settings: NetworkSettings,
    plan: Plan,
    rows: Rows,
    held_out: Rows | None,
    *,
    loss: RowLoss,
    first_output: Tensor,
    start: ColumnNetwork | None = None,
    n_snapshots: int = 0,
    progress: ProgressListener | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> FittedNetwork:
    """Train one network; `first_output` (n_outputs,) is what it answers before it has learned anything."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        network = build_network(columns, settings)
        with torch.no_grad():
            network.last_layer.bias.copy_(first_output)
    if start is not None:
        _copy_grown(start, network)
    names = [column.name for column in columns.tables]
    before = {name: network.tables[name].detach().clone() for name in names}
    counter = UpdateCounter([column.size[0] for column in columns.tables])
    film = (
        FilmRecorder(before_tables(network, names), _filmed_rows(columns), n_snapshots=n_snapshots)
        if n_snapshots
        else None
    )
    history = train(
        network,
        rows,
        loss=loss,
        optimizer=_optimizer(network, settings),
        plan=plan,
        held_out=held_out,
        augment=_UnknownRows(settings.unknown_rate) if names and settings.unknown_rate else None,
        counter=counter if names else None,
        film=film,
        progress=progress,
        checkpoint=checkpoint,
        resume=resume,
    )
    _settle_reserved_rows(network, columns, counter)
    moved = {name: (network.tables[name].detach() - before[name]).norm(dim=1).numpy() for name in names}
    n_updates = {name: counts.numpy() for name, counts in zip(names, counter.counts, strict=True)}
    return FittedNetwork(network, history, n_updates, moved, film.films() if film else {})


def before_tables(network: ColumnNetwork, names: Sequence[str]) -> dict[str, Tensor]:
    """The live tables by name."""
    return {name: network.tables[name] for name in names}


def _optimizer(network: ColumnNetwork, settings: NetworkSettings) -> torch.optim.Optimizer:
    tables = list(network.tables.parameters())
    known = {id(table) for table in tables}
    layers = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups = [
        {"params": layers, "weight_decay": settings.weight_decay},
        {"params": tables, "weight_decay": settings.table_decay},
    ]
    groups = [group for group in groups if group["params"]]
    if are_large((len(table), table.shape[1]) for table in tables):
        return optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


@dataclass(frozen=True)
class _UnknownRows:
    """Replaces a share of the ids of an epoch by the unknown row, so that this row is trained."""

    rate: float

    def __call__(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        ids, *rest = inputs  # ids are a fresh copy: the loop has just shuffled them
        n_replaced = round(self.rate * ids.numel())
        ids.view(-1)[torch.randint(ids.numel(), (n_replaced,))] = _UNKNOWN
        return (ids, *rest)


def _filmed_rows(columns: ColumnPlan) -> dict[str, np.ndarray]:
    """The rows of each table that hold keys, the most frequent first."""
    return {
        column.name: _FIRST_KEY + np.argsort(-np.asarray(column.vocabulary.counts), kind="stable")
        for column in columns.tables
    }


@torch.no_grad()
def _settle_reserved_rows(network: ColumnNetwork, columns: ColumnPlan, counter: UpdateCounter) -> None:
    """Give reserved rows that no training row used a meaning: unknown is the mean row, missing is unknown."""
    for column, updates in zip(columns.tables, counter.counts, strict=True):
        table = network.tables[column.name]
        table[0] = 0.0
        if not updates[_UNKNOWN] and len(table) > _FIRST_KEY:
            weight = torch.as_tensor(np.asarray(column.vocabulary.counts), dtype=table.dtype)
            table[_UNKNOWN] = (weight[:, None] * table[_FIRST_KEY:]).sum(0) / weight.sum()
        if not updates[_MISSING]:
            table[_MISSING] = table[_UNKNOWN]


@torch.no_grad()
def _copy_grown(old: ColumnNetwork, new: ColumnNetwork) -> None:
    """Start a network from another one whose tables may have fewer rows."""
    weights: dict[str, Any] = new.state_dict()
    for name, value in old.state_dict().items():
        if value.shape == weights[name].shape:
            weights[name] = value
        else:
            weights[name][: len(value)] = value
    new.load_state_dict(weights)
