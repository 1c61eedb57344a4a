"""One training step, taken slowly: the code that computes an explanation, short enough to be read as one.

Every claim that an explanation makes is checked here, as it runs, on the numbers that it shows.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from plectrum.errors import PlectrumError
from plectrum.explanation._record import Nudge, RowStep, TableStep

_N_SHOWN_OTHERS = 4  # rows that were not looked up, of which some are shown
_NUDGE = 1e-6
_DECAYS = "weight_decay"


class ClaimError(PlectrumError, RuntimeError):
    """A claim of the explanation does not hold for this model; nothing false is printed."""


class Trial(Protocol):
    """A batch and a model, ready to be run as often as needed."""

    @property
    def tables(self) -> Mapping[str, Tensor]:
        """Name -> the table, (n_rows, embedding_dim)."""

    @property
    def ids(self) -> Mapping[str, Tensor]:
        """Name -> the row that each lookup plucks, (n_lookups,)."""

    def loss(self) -> Tensor:
        """Run the batch forward and return its loss, one number."""

    def lookups(self) -> Mapping[str, Tensor]:
        """Return name -> the rows that the last forward pass plucked, (n_lookups, embedding_dim)."""

    def lookup_gradients(self) -> Mapping[str, Tensor]:
        """Return name -> what each lookup sent back, (n_lookups, embedding_dim)."""

    def in_float64(self) -> "Trial":
        """Return a copy in double precision."""


def take_step(
    trial: Trial, optimizer: torch.optim.Optimizer, focus: str, keys: Mapping[str, Sequence[str]]
) -> tuple[list[TableStep], Nudge, float, float]:
    """Take one step and return what it did to each table, the nudge proof, and the loss before and after."""
    before = {name: table.detach().clone() for name, table in trial.tables.items()}
    had_momentum = {name: _has_momentum(optimizer, table) for name, table in trial.tables.items()}
    exact = trial.in_float64()

    optimizer.zero_grad()
    loss = trial.loss()  # forward: rows are plucked out of the tables
    looked_up = {name: rows.detach().clone() for name, rows in trial.lookups().items()}
    # backward: each plucked row gets a gradient
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {
        name: table.grad.detach().clone() for name, table in trial.tables.items() if table.grad is not None
    }
    sent_back = {name: gradient.detach() for name, gradient in trial.lookup_gradients().items()}
    nudge = prove_by_nudging(exact, focus, gradients[focus], keys[focus])
    optimizer.step()  # the optimizer moves the rows
    loss_after = float(trial.loss().detach())

    steps = [
        _describe(
            name,
            trial.ids[name],
            keys[name],
            before=before[name],
            after=trial.tables[name].detach(),
            gradient=gradients[name],
            looked_up=looked_up[name],
            sent_back=sent_back[name],
            had_momentum=had_momentum[name],
            decays=optimizer.param_groups[0].get(_DECAYS, 0) > 0,
        )
        for name in sorted(trial.tables, key=lambda name: name != focus)
    ]
    return steps, nudge, float(loss.detach()), loss_after


def prove_by_nudging(exact: Trial, name: str, gradient: Tensor, keys: Sequence[str]) -> Nudge:
    """Move the number with the largest gradient both ways, run the batch again, and compare the slope."""
    row, position = divmod(int(gradient.abs().argmax()), gradient.shape[1])
    losses = []
    for size in (+_NUDGE, -_NUDGE):
        with torch.no_grad():
            exact.tables[name][row, position] += size
            losses.append(float(exact.loss()))
            exact.tables[name][row, position] -= size
    slope, claimed = (losses[0] - losses[1]) / (2 * _NUDGE), float(gradient[row, position])
    difference = abs(slope - claimed) / max(abs(slope), abs(claimed), 1e-9)
    _claim(difference < 1e-3, f"slope {slope:g} and gradient {claimed:g} of table {name!r} differ")
    return Nudge(name, keys[row], position, _NUDGE, losses[0], losses[1], slope, claimed, difference)


def _describe(
    name: str,
    ids: Tensor,
    keys: Sequence[str],
    *,
    before: Tensor,
    after: Tensor,
    gradient: Tensor,
    looked_up: Tensor,
    sent_back: Tensor,
    had_momentum: Tensor,
    decays: bool,
) -> TableStep:
    """Check the claims about one table, and lift out the rows that an explanation shows."""
    was_looked_up = torch.zeros(len(before), dtype=torch.bool).index_fill_(0, ids, True)
    by_product = one_hot_times_table(ids, before)
    lookup_difference = float((looked_up - by_product).abs().max())
    _claim(
        lookup_difference <= 1e-6 * float(before.abs().max()), f"lookup and product differ in table {name!r}"
    )

    summed = torch.zeros_like(before).index_add_(0, ids, sent_back)
    sum_difference = float((summed - gradient).abs().max())
    _claim(sum_difference <= 1e-5 * float(gradient.abs().max()), f"gradients do not add up in table {name!r}")

    elsewhere = gradient[~was_looked_up]
    gradient_elsewhere = float(elsewhere.abs().max()) if len(elsewhere) else 0.0
    _claim(gradient_elsewhere == 0.0, f"a row of table {name!r} got a gradient without being looked up")

    moved = (after - before).norm(dim=1)
    why = {"gradient": gradient.any(dim=1), "momentum": had_momentum}
    why["decay"] = before.any(dim=1) if decays else torch.zeros_like(had_momentum)
    has_reason = why["gradient"] | why["momentum"] | why["decay"]
    _claim(not bool((moved > 0)[~has_reason].any()), f"a row of table {name!r} moved for no reason")

    shown = _shown_rows(ids, was_looked_up, moved)
    rows = []
    for row in shown:
        lookups = (ids == row).nonzero().flatten().tolist()
        reasons = [reason for reason, rows_with in why.items() if rows_with[row] and moved[row] > 0]
        rows.append(
            RowStep(
                key=keys[row],
                row=row,
                lookups=lookups,
                before=before[row].tolist(),
                lookup_gradients=sent_back[lookups].tolist(),
                gradient=gradient[row].tolist(),
                after=after[row].tolist(),
                moved=float(moved[row]),
                reasons=reasons,
            )
        )
    return TableStep(
        name=name,
        n_rows=len(before),
        embedding_dim=before.shape[1],
        ids=ids.tolist(),
        rows=rows,
        product=by_product[0].tolist(),
        n_looked_up=int(was_looked_up.sum()),
        n_untouched=int((moved == 0).sum()),
        n_moved_for={reason: int((rows_with & (moved > 0)).sum()) for reason, rows_with in why.items()},
        lookup_difference=lookup_difference,
        sum_difference=sum_difference,
        gradient_elsewhere=gradient_elsewhere,
    )


def one_hot_times_table(ids: Tensor, table: Tensor) -> Tensor:
    """Return the product that a lookup saves: one-hot (n_lookups, n_rows) times (n_rows, dim)."""
    one_hot = torch.zeros(len(ids), len(table), dtype=table.dtype)
    one_hot[torch.arange(len(ids)), ids] = 1.0
    return one_hot @ table


def _shown_rows(ids: Tensor, was_looked_up: Tensor, moved: Tensor) -> list[int]:
    """The rows looked up, in order of appearance, then some others: those that moved first."""
    first = list(dict.fromkeys(ids.tolist()))
    others = [row for row in (~was_looked_up).nonzero().flatten().tolist() if row > 2]
    others.sort(key=lambda row: -float(moved[row] > 0))
    return first + others[:_N_SHOWN_OTHERS]


def _has_momentum(optimizer: torch.optim.Optimizer, table: Tensor) -> Tensor:
    """Which rows the optimizer would go on moving without a gradient, (n_rows,) bool."""
    state = optimizer.state.get(table, {})
    memory = state.get("exp_avg", state.get("momentum_buffer"))
    return torch.zeros(len(table), dtype=torch.bool) if memory is None else memory.any(dim=1)


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ClaimError(
            f"The explanation stops here, because {otherwise}. Every number in it is checked before it is "
            "shown; "
            "please report this with the model and the rows."
        )
