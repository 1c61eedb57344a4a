"""SGD: torch's numbers; and, where asked for, a rate for each row by how often it has occurred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.parameter import Parameter

from plectrum.errors import ArgumentError, OptimizerError, check_choice
from plectrum.kernels.update._step import Step
from plectrum.kernels.update.torch_ops import arithmetic
from plectrum.optim._base import DENSE_BELOW, Group, RowOptimizer, Table
from plectrum.optim._state import Params, check_range, state_like
from plectrum.rows import Ledger, RowParameter
from plectrum.rows._gradient import RowGradient
from plectrum.rows._mapped import TableFiles
from plectrum.rows._tables import is_marked

ROW_LR = ("same", "by_count")


class SGD(RowOptimizer):
    """`torch.optim.SGD` whose step on a table costs what its batch costs, momentum and decay included.

    With ``row_lr="by_count"`` the rate of a row falls with how often its key has occurred. In a step that
    looks row k up n_k times, with g_k the gradient of the row (the sum over its lookups)::

        count[k] += n_k
        table[k] -= lr / sqrt(count[k]) * g_k

    Rows outside the batch do not move, and their count stands still.

    Parameters
    ----------
    params, absent_rows, dense_below
        As in `Adam`.
    lr, momentum, dampening, weight_decay, nesterov, maximize, foreach, fused
        As in torch.
    row_lr : {"same", "by_count"}
        "same": torch's numbers; every row steps with `lr`. "by_count": row k steps with
        ``lr / sqrt(count[k])``. `lr` is then the rate at a row's first occurrence: look for a good one well
        above that of "same". Parameter groups may differ in it, and parameters that are no tables step with
        `lr`. A lookup counts when its gradient has been computed, in one backward pass or in several before
        the step; lookups of the padding row and of frozen rows do not. The counts are
        ``state[table]["count"]``, int64 of shape (n_rows, 1): saved with `state_dict`, kept with a table in
        files, zero for rows that `grow` adds.

    Raises
    ------
    OptimizerError
        With ``row_lr="by_count"``: `momentum` or `weight_decay` is not 0; no parameter is known as a table;
        the gradient of one is dense (a tied layer), comes from no lookup that was seen (torch.compile), or is
        that of several processes.

    Notes
    -----
    Counting takes one int64 per row of memory, read and written once per id of the batch.

    Source of "by_count": Li, Choudhary, Wei, Yuan, Bhushanam, Zhao & Lan 2022, "Frequency-aware SGD for
    Efficient Embedding Learning with Provable Benefits" (ICLR): where keys are unevenly frequent, a rate that
    falls with the square root of a key's frequency converges faster than one rate for all, and the frequency
    may be counted while training (CF-SGD). Here the count itself stands in the root, the frequency
    times the number of lookups so far: the rate also falls with time, and never exceeds `lr`. (FBGEMM's
    ``COUNTER_SGD`` has this form too, counting steps instead of lookups.) It gains in large batches, where
    one rate for all is held down by the frequent rows, which add up many gradients: with each at its best
    rate, ``benchmarks/engine/row_rates.py`` finds less error on Zipf keys and on MovieLens 100k in batches of
    512 and 2,048, the same on Last.fm, and more on Zipf keys in batches of 128. `RowwiseAdagrad`, which goes
    by what the gradients were and not by how many, is the one to try beside it.

    Examples
    --------
    >>> import torch, plectrum.optim
    >>> layer = torch.nn.Embedding(1000, 8)
    >>> optimizer = plectrum.optim.SGD(layer, lr=0.1, momentum=0.9)
    >>> layer(torch.tensor([3, 7])).sum().backward()
    >>> optimizer.step()

    Row 3 has occurred twice, row 7 once:

    >>> layer = torch.nn.Embedding(1000, 8)
    >>> optimizer = plectrum.optim.SGD(layer, lr=1.0, row_lr="by_count")
    >>> layer(torch.tensor([3, 7, 3])).sum().backward()
    >>> optimizer.step()
    >>> optimizer.state[layer.weight]["count"][[3, 7, 9], 0]
    tensor([2, 1, 0])
    """

    rule = "sgd"
    dense_class = torch.optim.SGD
    _stepped_without_momentum: frozenset[Parameter] = frozenset()  # tables whose buffer is no longer torch's

    def __init__(  # noqa: PLR0917
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
        row_lr: str = "same",
        absent_rows: str = "exact",
        dense_below: int = DENSE_BELOW,
    ) -> None:
        for name, value in (("lr", float(lr)), ("momentum", momentum), ("weight_decay", weight_decay)):
            check_range("SGD", name, value, 0, float("inf"))
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError(
                "`nesterov` of `SGD` must be False unless momentum > 0 and dampening == 0; got "
                f"momentum={momentum}, dampening={dampening}. Set them, or leave nesterov out."
            )
        defaults = {
            **{"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay},
            **{"nesterov": nesterov, "maximize": maximize, "foreach": foreach, "fused": fused},
            "row_lr": row_lr,
        }
        super().__init__(params, defaults, absent_rows=absent_rows, dense_below=dense_below)

    def _prepare_state(self, p: Parameter, ledger: Ledger, group: Group) -> bool:
        state = ledger.state
        if self._is_by_count(group) and "count" not in state:
            state["count"] = state_like(p, "count", dim=1, dtype=torch.int64)
        if not group["momentum"] and not group["weight_decay"] and "momentum_buffer" not in state:
            return False
        self._follow_absence(p, ledger, group)
        has_buffer = state.get("momentum_buffer") is not None
        if not group["momentum"]:
            self._stepped_without_momentum |= {p} if has_buffer else set()
            return False
        if p in self._stepped_without_momentum:
            raise OptimizerError(
                "`momentum` of `SGD` must not come back for a table after a step without it; got "
                f"{group['momentum']} for one of shape {tuple(p.shape)}. Keep it above 0, or make a new "
                "optimizer."
            )
        if has_buffer:
            return False
        state["momentum_buffer"] = state_like(p, "momentum_buffer")
        return True

    def _follow_absence(self, p: Parameter, ledger: Ledger, group: Group) -> None:
        """Give a table a clock when momentum or decay was set after its first steps: absent rows move now."""
        if ledger.series is not None or self._absence_of(group) is None:
            return
        if ledger.files is not None:
            raise OptimizerError(
                "`momentum` or `weight_decay` of `SGD` must be set from the first step of a table in files; "
                f"got {group['momentum']} and {group['weight_decay']} after steps without. Begin with them."
            )
        series = self._clock_for(p, group, 0)
        if series is not None:
            ledger.go_by(series, p)

    def _step_of(self, group: Group, ledger: Ledger, is_first: bool) -> Step:  # noqa: ARG002
        return Step(
            self.rule, float(group["lr"]), group["weight_decay"], momentum=group["momentum"],
            dampening=0.0 if is_first else group["dampening"],  # torch's first buffer is the gradient itself
            nesterov=group["nesterov"], maximize=group["maximize"],
        )  # fmt: skip

    def _write_step(self, state: dict[str, Any], n_steps: int) -> None:
        """SGD keeps no count of steps."""

    # ------------------------------------------------------------------------------- rates by count

    def _is_by_count(self, group: Group) -> bool:
        # a group that torch's optimizer saved has no such entry
        return bool(group.get("row_lr", self.defaults["row_lr"]) == "by_count")

    def _is_worth_adopting(self, p: Parameter) -> bool:
        """Small tables too, where occurrences are counted: a dense step could not tell them."""
        is_table = type(p) is Parameter and p.dim() == 2 and p.is_floating_point()
        group = self.param_groups[-1]  # the one that is being added
        return (is_table and self._is_by_count(group)) or super()._is_worth_adopting(p)

    def _check_group(self, group: Group) -> None:
        advice = "'same' steps every row with lr, 'by_count' row k with lr / sqrt(count[k])."
        check_choice(group.get("row_lr", "same"), ROW_LR, argument="row_lr", owner="SGD", advice=advice)
        if not self._is_by_count(group):
            return
        for name in ("momentum", "weight_decay"):
            if group[name] and any(self._is_table(p) for p in group["params"]):
                raise OptimizerError(
                    f'`{name}` of `SGD` must be 0 with row_lr="by_count"; got {group[name]}. The rule is for '
                    f"plain gradients: set {name}=0 in the group of the tables (other parameters may keep it "
                    'in a group of their own), or take row_lr="same".'
                )

    def _is_table(self, p: Parameter) -> bool:
        return id(p) in self._waiting or is_marked(p) or isinstance(p, RowParameter)

    def _find_state(self, p: Parameter, files: TableFiles) -> None:
        super()._find_state(p, files)
        if files.has("count") and "count" not in self.state[p]:
            self.state[p]["count"] = files.array("count", (p.shape[0], 1), torch.int64)

    def _adopt(self, p: Parameter, group: Group) -> Ledger:
        ledger = super()._adopt(p, group)
        ledger.occurred = [] if self._is_by_count(group) else None
        return ledger

    def _step_tables(self, group: Group, tables: Sequence[Table]) -> None:
        if self._is_by_count(group):
            for p, ledger in tables:
                _check_can_be_counted(p, ledger)
            for p, ledger in tables:
                self._prepare_state(p, ledger, group)
                self._count(p, ledger)
        super()._step_tables(group, tables)

    def _count(self, p: Parameter, ledger: Ledger) -> None:
        """Add the lookups since the last step to the counts of their rows."""
        assert ledger.occurred is not None
        ids, held, count = torch.cat(ledger.occurred).long(), ledger.held_of(p), self.state[p]["count"]
        if count.shape != (p.shape[0], 1):
            raise OptimizerError(
                f"`count` of a table of shape {tuple(p.shape)} must have shape {(p.shape[0], 1)}; got "
                f"{tuple(count.shape)}. Load the state of a table of this size, and let tables grow by the "
                "layer's `grow`."
            )
        ids = ids if held is None else ids[~held[ids]]
        count.view(-1).scatter_add_(0, ids, torch.ones_like(ids))
        ledger.occurred.clear()

    def _step_dense(self, dense: list[tuple[Group, list[Parameter]]]) -> None:
        counted = [group for group in self.param_groups if self._is_by_count(group)]
        if counted and not any(p in self._tables for group in counted for p in group["params"]):
            n = sum(len(group["params"]) for group in counted)
            raise OptimizerError(
                f'`params` of `SGD` must hold a table with row_lr="by_count"; got {n} parameters, none of '
                "which is known as one. Give the whole module (SGD(model, ...)), or take layers of "
                "plectrum.nn."
            )
        super()._step_dense(dense)

    def _weighed(self, p: Parameter, ledger: Ledger, gradient: RowGradient) -> RowGradient:
        """Return the gradient divided by the square root of each row's count, where rates go by it."""
        if not self._is_by_count(ledger.group):
            return gradient
        count = self.state[p]["count"].view(-1).index_select(0, gradient.ids)
        rate = count.to(arithmetic(p.dtype)).clamp_(min=1).rsqrt_()  # 0: held, and left out of the step
        return gradient.scaled(rate)


def _check_can_be_counted(p: Parameter, ledger: Ledger) -> None:
    """Raise where nobody can say how often each row of the gradient was looked up."""
    rule, gradient = 'row_lr="by_count"', p.grad
    others = 'put the table into a group with row_lr="same", or use RowwiseAdagrad.'
    if gradient is not None and not gradient.is_sparse:
        raise OptimizerError(
            f"The gradient of a table must be of rows with {rule}; got a dense one, of shape "
            f"{tuple(gradient.shape)}: the table is used other than by lookups (a tied layer, an expression "
            f"of its weight). Use it for lookups alone, or {others}"
        )
    if not ledger.occurred:
        raise OptimizerError(
            f"The gradient of a table must come from lookups that were seen, with {rule}; got one of shape "
            f"{tuple(p.shape)} without any (a compiled model; the parameters of torch's layers in place of "
            "the module; a gradient set by hand). Give the whole module and look rows up outside of "
            f"torch.compile, or {others}"
        )
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        n = torch.distributed.get_world_size()
        if n > 1:
            raise OptimizerError(
                f"`row_lr` of `SGD` must be 'same' where processes train together; got 'by_count' and {n} "
                f"processes, each of which counts its own lookups alone. Train in one process, or {others}"
            )
