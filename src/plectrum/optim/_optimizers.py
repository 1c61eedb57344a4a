"""Adam, AdamW and the Adagrads: torch's names, arguments and numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.parameter import Parameter

from plectrum.errors import OptimizerError
from plectrum.kernels.update._series import AdamSeries
from plectrum.kernels.update._step import Step
from plectrum.optim._base import DENSE_BELOW, Group, RowOptimizer
from plectrum.optim._state import Params, check_range, state_like
from plectrum.rows import Ledger


class _AdamBase(RowOptimizer):
    rule = "adam"

    def __init__(  # noqa: PLR0917
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        fused: bool | None = None,
        maximize: bool = False,
        absent_rows: str = "exact",
        dense_below: int = DENSE_BELOW,
    ) -> None:
        owner = type(self).__name__
        check_range(owner, "lr", float(lr), 0, float("inf"))
        check_range(owner, "eps", eps, 0, float("inf"))
        check_range(owner, "weight_decay", weight_decay, 0, float("inf"))
        for i in range(2):
            check_range(owner, f"betas[{i}]", betas[i], 0, 1)
        defaults = {
            **{"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad},
            **{"foreach": foreach, "fused": fused, "maximize": maximize},
        }
        super().__init__(params, defaults, absent_rows=absent_rows, dense_below=dense_below)

    def _check_group(self, group: Group) -> None:
        if self.absent_rows == "frozen":
            return
        name = type(self).__name__
        if group["amsgrad"]:
            raise OptimizerError(
                f'`amsgrad` of `{name}` must be False with absent_rows="exact"; got True. The largest second '
                "moment has no closed form for absent rows: use AdamW without amsgrad, or "
                'absent_rows="frozen".'
            )
        if self.rule == "adam" and group["weight_decay"]:
            raise OptimizerError(
                f'`weight_decay` of `{name}` must be 0 with absent_rows="exact"; got '
                f"{group['weight_decay']}. L2 decay gives "
                "every absent row a gradient: use AdamW, whose decay is apart from the gradient, or "
                'absent_rows="frozen".'
            )
        beta1, beta2 = group["betas"]
        if not 0 < beta2 < 1 - 2**-25:
            raise OptimizerError(
                f'`betas[1]` of `{name}` must lie in (0, 1), as float32 too, with absent_rows="exact"; got '
                f"{beta2}. Else the second moment of an absent row is gone at once, or never shrinks: take "
                'another beta, or absent_rows="frozen".'
            )
        if beta1 > 0 and beta1 / beta2**0.5 > 0.999:
            raise OptimizerError(
                f'`betas` of `{name}` must satisfy beta1 < 0.999 * sqrt(beta2) with absent_rows="exact"; got '
                f"{group['betas']}. Else absent rows never come to rest: take a smaller beta1, or "
                'absent_rows="frozen".'
            )
        if group["eps"] <= 0 or float(group["lr"]) * group["weight_decay"] >= 1:
            raise OptimizerError(
                f'`{name}` with absent_rows="exact" needs eps > 0 and lr * weight_decay < 1; got eps='
                f"{group['eps']}, lr={float(group['lr'])}, weight_decay={group['weight_decay']}. Change "
                f"them, or "
                'use absent_rows="frozen".'
            )

    def _state_names(self) -> tuple[str, ...]:
        return (*super()._state_names(), "max_exp_avg_sq")

    def _prepare_state(self, p: Parameter, ledger: Ledger, group: Group) -> bool:
        state, is_first = ledger.state, "exp_avg" not in ledger.state
        if is_first:
            state["step"] = torch.tensor(0.0)
            for name in self._state_names()[: 3 if group["amsgrad"] else 2]:
                state[name] = state_like(p, name)
        if ledger.series is not None:
            self._keep_eps(ledger, group["eps"])
        return is_first

    def _keep_eps(self, ledger: Ledger, eps: float) -> None:
        """Bring all rows up to date before a step with another eps: the sums of a clock know one."""
        clock = ledger.series
        if isinstance(clock, AdamSeries):
            taken = clock.now - clock.start
            if taken and clock.history[5, taken] != eps:
                self._forget(clock)

    def _step_of(self, group: Group, ledger: Ledger, is_first: bool) -> Step:  # noqa: ARG002
        n, (beta1, beta2) = ledger.n_steps, group["betas"]
        return Step(
            self.rule, float(group["lr"]), group["weight_decay"], group["eps"], beta1, beta2,
            1 - beta1**n, (1 - beta2**n) ** 0.5, maximize=group["maximize"],
        )  # fmt: skip


class Adam(_AdamBase):
    """`torch.optim.Adam` whose step on a table costs what its batch costs.

    Parameters
    ----------
    params : Module or iterable
        A whole model (its tables are found), or what torch takes: parameters or groups of them. Among bare
        parameters those of plectrum's layers are known as tables, and any that gets a sparse gradient.
    lr, betas, eps, weight_decay, amsgrad, foreach, fused, maximize
        As in torch. `weight_decay` (L2) and `amsgrad` need ``absent_rows="frozen"``.
    absent_rows : {"exact", "frozen"}
        "exact": rows outside the batch move as under torch's dense optimizer, to rounding, and are brought up
        to date just before anything reads them. "frozen": they stand still (`torch.optim.SparseAdam`).
    dense_below : int
        Tables of fewer numbers are stepped densely, which is cheaper for them and gives the same numbers;
        only with "exact", and not those of 16 bits, which are rounded at random so as to lose no small step.

    Raises
    ------
    OptimizerError
        An option has no exact form for absent rows.

    Notes
    -----
    Cost of a step: the rows of the batch and two moments of each, read and written. Memory: two numbers per
    weight, as torch's, and one int32 per row. Source: Kingma & Ba 2015; the closed form for absent rows
    stands in `plectrum.kernels.update._series`.

    Examples
    --------
    >>> import torch, plectrum.optim
    >>> layer = torch.nn.Embedding(1000, 8)
    >>> optimizer = plectrum.optim.Adam(layer, lr=0.01)
    >>> layer(torch.tensor([3, 7])).sum().backward()
    >>> optimizer.step()
    """

    rule = "adam"
    dense_class = torch.optim.Adam


class AdamW(_AdamBase):
    """`torch.optim.AdamW` whose step on a table costs what its batch costs.

    Parameters
    ----------
    params, lr, betas, eps, foreach, fused, maximize, absent_rows, dense_below
        As in `Adam`.
    weight_decay : float
        Decoupled decay, ``w *= 1 - lr*weight_decay`` at every step; absent rows get the product of all they
        missed. With ``absent_rows="frozen"`` only rows of the batch decay.
    amsgrad : bool
        Needs ``absent_rows="frozen"``.

    Notes
    -----
    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization". Cost as in `Adam`.

    Examples
    --------
    >>> import torch, plectrum.optim
    >>> model = torch.nn.Sequential(torch.nn.Embedding(1000, 8), torch.nn.Linear(8, 1))
    >>> optimizer = plectrum.optim.AdamW(model, lr=1e-3, weight_decay=1e-2)
    >>> model(torch.tensor([3, 7])).sum().backward()
    >>> optimizer.step()
    """

    rule = "adamw"
    dense_class = torch.optim.AdamW

    def __init__(  # noqa: PLR0917
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)


class _AdagradBase(RowOptimizer):
    dense_class = torch.optim.Adagrad

    def __init__(  # noqa: PLR0917
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
        absent_rows: str = "exact",
        dense_below: int = DENSE_BELOW,
    ) -> None:
        values = {
            **{"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay},
            **{"initial_accumulator_value": initial_accumulator_value, "eps": eps},
        }
        for name, value in values.items():
            check_range(type(self).__name__, name, float(value), 0, float("inf"))
        defaults = {**values, "maximize": maximize, "foreach": foreach, "fused": fused}
        super().__init__(params, defaults, absent_rows=absent_rows, dense_below=dense_below)

    def _check_group(self, group: Group) -> None:
        if self.absent_rows == "exact" and group["weight_decay"]:
            raise OptimizerError(
                f'`weight_decay` of `{type(self).__name__}` must be 0 with absent_rows="exact"; got '
                f"{group['weight_decay']}. L2 decay gives every absent row a gradient: use AdamW, whose "
                f"decay is "
                'apart from the gradient, or absent_rows="frozen".'
            )

    def _prepare_state(self, p: Parameter, ledger: Ledger, group: Group) -> bool:
        state, is_first = ledger.state, "sum" not in ledger.state
        if is_first:
            state["step"] = torch.tensor(0.0)
            state["sum"] = self._new_sum(p).fill_(group["initial_accumulator_value"])
        return is_first

    def _new_sum(self, p: Parameter) -> torch.Tensor:
        return state_like(p, "sum", dim=self._dim_of_state(p))

    def _prepare_dense(self, group: Group) -> None:
        for p in group["params"]:
            state = self.state[p]
            if "sum" not in state:
                state["step"] = torch.tensor(0.0)
                state["sum"] = torch.full_like(p, group["initial_accumulator_value"])

    def _step_of(self, group: Group, ledger: Ledger, is_first: bool) -> Step:  # noqa: ARG002
        n = ledger.n_steps
        lr = float(group["lr"]) / (1 + (n - 1) * group["lr_decay"])
        return Step(self.rule, lr, group["weight_decay"], group["eps"], maximize=group["maximize"])


class Adagrad(_AdagradBase):
    """`torch.optim.Adagrad` whose step on a table costs what its batch costs.

    Parameters
    ----------
    params, absent_rows, dense_below
        As in `Adam`. Without L2 decay absent rows do not move, so "exact" costs nothing here.
    lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize, foreach, fused
        As in torch. `weight_decay` (L2) needs ``absent_rows="frozen"``.

    Notes
    -----
    Source: Duchi, Hazan & Singer 2011.

    Examples
    --------
    >>> import torch, plectrum.optim
    >>> layer = torch.nn.Embedding(1000, 8)
    >>> optimizer = plectrum.optim.Adagrad(layer, lr=0.1)
    >>> layer(torch.tensor([3, 7])).sum().backward()
    >>> optimizer.step()
    """

    rule = "adagrad"


class RowwiseAdagrad(_AdagradBase):
    """Adagrad with one accumulator per row: ``s += mean(g*g); w -= lr * g/(sqrt(s) + eps)``.

    A table's state is one number per row instead of one per weight. Parameters that are no tables are trained
    by `torch.optim.Adagrad`.

    Parameters
    ----------
    params, lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize, absent_rows, dense_below
        As in `Adagrad`.

    Notes
    -----
    Source: FBGEMM's "exact row-wise Adagrad" (Mudigere et al. 2022, section 4.1.3). Every table is stepped by
    rows, small ones too: `dense_below` is of no effect, because torch has no dense step of this rule.

    Examples
    --------
    >>> import torch, plectrum.optim
    >>> layer = torch.nn.Embedding(1000, 8)
    >>> optimizer = plectrum.optim.RowwiseAdagrad(layer, lr=0.1)
    >>> layer(torch.tensor([3, 7])).sum().backward()
    >>> optimizer.step()
    >>> optimizer.state[layer.weight]["sum"].shape
    torch.Size([1000, 1])
    """

    rule = "rowwise_adagrad"

    def _is_worth_adopting(self, p: Parameter) -> bool:
        return (
            type(p) is Parameter and p.dim() == 2 and p.is_floating_point()
        ) or super()._is_worth_adopting(p)

    def _dim_of_state(self, p: Parameter) -> int:  # noqa: ARG002
        return 1
