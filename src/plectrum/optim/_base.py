"""`RowOptimizer`: tables by their rows, everything else by torch's dense optimizer of the same name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.parameter import Parameter
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from plectrum.errors import OptimizerError, check_choice
from plectrum.kernels._beside import expect
from plectrum.kernels._pages import use_large_pages
from plectrum.kernels.update import torch_ops
from plectrum.kernels.update._step import STATES, Step
from plectrum.optim import _gradients
from plectrum.optim._absence import ABSENCE, catch_up, kernels_of_absence, new_series
from plectrum.optim._compiled import Fit, Work, kernels_of_update, update_tables
from plectrum.optim._state import fit_states, gradients_of_zero, needs_rounding, restore_states
from plectrum.rows import (
    Ledger,
    RowParameter,
    adopt,
    files_of,
    held_rows,
    ledger_of,
    release,
    tables_of,
)
from plectrum.rows._behind import is_compiled
from plectrum.rows._compile import never_in_graphs
from plectrum.rows._gradient import RowGradient
from plectrum.rows._ledger import Series
from plectrum.rows._mapped import TableFiles
from plectrum.rows._place import place_of
from plectrum.rows._tables import is_marked

Group = dict[str, Any]
Table = tuple[Parameter, Ledger]
ABSENT_ROWS = ("exact", "frozen")
MEMORY = 2**16  # steps that a clock remembers, some hundred bytes each, before all rows are caught up
DENSE_BELOW = 4096  # numbers in a table; below it a dense step costs less than finding the rows
# as torch does it, without what imports torch.compile first, longer than a first step of tables takes
# (torch's own optimizers, which step on dense parameters, import it all the same)
_ADD_GROUP: Any = torch.optim.Optimizer.add_param_group
_add_group = getattr(_ADD_GROUP, "__wrapped__", _ADD_GROUP)


class RowOptimizer(torch.optim.Optimizer):
    """What the optimizers of this room share; see `AdamW` for how it is used.

    Attributes
    ----------
    rule : str
        The name of the update in `plectrum.kernels.update`.
    dense_class : type
        torch's optimizer for the parameters that are no tables.
    """

    keeps_frozen_rows = True  # layers that freeze rows need not put them back after a step
    rule: ClassVar[str]
    dense_class: ClassVar[Any]

    def __init__(
        self,
        params: torch.nn.Module | Iterable[Any],
        defaults: Group,
        *,
        absent_rows: str,
        dense_below: int,
    ) -> None:
        advice = (
            "'exact' gives the numbers of torch's dense optimizer, 'frozen' lets absent rows stand still."
        )
        owner = type(self).__name__
        check_choice(absent_rows, ABSENT_ROWS, argument="absent_rows", owner=owner, advice=advice)
        self.absent_rows, self.dense_below = absent_rows, dense_below
        self._tables: dict[Parameter, Ledger] = {}
        self._waiting: set[int] = set()  # ids of parameters that are tables, not adopted yet
        self._dense: torch.optim.Optimizer | None = None
        super().__init__(self._parameters_of(params), defaults)

    # ------------------------------------------------------------------------------------ parameters

    def _parameters_of(self, params: Any) -> Any:
        """Return what torch expects for `params`, after noting the tables of any modules in it."""
        if not isinstance(params, torch.nn.Module):
            return params
        self._waiting.update(id(table) for table in tables_of(params))
        return list(params.parameters())

    def add_param_group(self, param_group: Group) -> None:
        """Add a group as torch does; its ``"params"`` may be a module too."""
        group = {**param_group, "params": self._parameters_of(param_group["params"])}
        _add_group(self, group)
        group = self.param_groups[-1]
        self._check_group(group)
        for p in group["params"]:
            is_table = id(p) in self._waiting or is_marked(p) or isinstance(p, RowParameter)
            if is_table and self._is_worth_adopting(p):
                self._adopt(p, group)
        tables = [p for p in group["params"] if p in self._tables and is_compiled(p)]
        updates = kernels_of_update(self.rule, group, tables)
        expect(self, updates, kernels_of_absence(self._absence_of(group), tables))

    def _is_worth_adopting(self, p: Parameter) -> bool:
        if isinstance(p, RowParameter):
            return True
        small = p.numel() < self.dense_below and self.absent_rows == "exact" and files_of(p) is None
        small = small and not needs_rounding(p)
        return type(p) is Parameter and p.dim() == 2 and p.is_floating_point() and not small

    def _adopt(self, p: Parameter, group: Group) -> Ledger:
        """Take the table over: from now on its gradient is rows, and this object says how far each row is."""
        release(p)
        files = files_of(p)
        if files is not None:
            self._find_state(p, files)
        series = self._clock_for(p, group, self._steps_taken(p))
        ledger = Ledger(p, self.state[p], series, catch_up)
        ledger.group, ledger.n_steps = group, self._steps_taken(p)
        adopt(p, ledger)
        if files is not None:
            self._go_on(ledger, files)
        elif p.device.type == "cpu":
            use_large_pages(p.data_ptr(), p.numel() * p.element_size())
        ledger.hold(p, held_rows(p))
        self._tables[p] = ledger
        return ledger

    def _clock_for(self, p: Parameter, group: Group, start: int) -> Series | None:
        """Return a clock that stands at step `start`: that of tables that step with this one, if any."""
        series: Series | None = new_series(self._absence_of(group), p, start)
        if series is not None and files_of(p) is None:
            for other in self._tables.values():
                if other.series is not None and self._may_share(other, series, group):
                    return other.series
        return series

    def _may_share(self, other: Ledger, series: Series, group: Group) -> bool:
        return (
            other.series is not None
            and other.files is None
            and other.group is group
            and type(other.series) is type(series)
            and other.series.now == series.now
            and other.series.dtype == series.dtype
        )

    def _find_state(self, p: Parameter, files: TableFiles) -> None:
        """Take up the state that stands in the files of a table."""
        files.claim(self.rule)
        for name in self._state_names():
            if files.has(name) and name not in self.state[p]:
                dim = 1 if self.rule == "rowwise_adagrad" else p.shape[1]
                kind = torch.float64 if p.dtype == torch.float64 else torch.float32
                self.state[p][name] = files.array(name, (p.shape[0], dim), kind)
        start, steps = files.steps(_N_NUMBERS)
        self.state[p]["step"] = torch.tensor(float(start))
        self._found = steps

    def _go_on(self, ledger: Ledger, files: TableFiles) -> None:
        """Count again the steps that were written down, and write down those to come."""
        for numbers in self._found:
            step = Step(self.rule, *numbers[:9], *(bool(flag) for flag in numbers[9:]))
            if ledger.series is not None:
                ledger.series.advance(step)
            ledger.n_steps += 1
        ledger.files = files

    def _steps_taken(self, p: Parameter) -> int:
        step = self.state[p].get("step", 0) if p in self.state else 0
        return int(step)

    def _absence_of(self, group: Group) -> str | None:
        """Return the name of the series that absent rows follow, None where they do not move."""
        return None if self.absent_rows == "frozen" else ABSENCE[self.rule](group)

    def _check_group(self, group: Group) -> None:
        """Raise what this optimizer cannot do correctly with these hyperparameters."""

    # ------------------------------------------------------------------------------------------ step

    @never_in_graphs
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step: dense parameters by torch's optimizer, tables by the rows of their gradients.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the model again and returns the loss, as in torch.

        Returns
        -------
        The loss that `closure` returned, or None.

        Raises
        ------
        OptimizerError
            A table has been taken over by another optimizer, or hyperparameters were set that cannot be
            followed correctly.

        Notes
        -----
        Cost: reads and writes the rows of the batch and their state, whatever the size of the tables.
        """
        if self._is_watched():
            return self._watched_step() if closure is None else self._watched_step(closure=closure)
        return self._take_step(closure)

    step.hooked = True  # type: ignore[attr-defined]  # so torch leaves it alone: hooks are called from within

    def _is_watched(self) -> bool:
        """True when hooks or a profiler wait for a step: to let torch serve them costs as much as a table."""
        if type(self).step is not RowOptimizer.step:  # torch itself serves those of a subclass's step
            return False
        return bool(
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
            or torch._C._autograd._profiler_enabled()
        )

    def _take_step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # in here tables are read as they stand
        with torch._C.DisableTorchFunctionSubclass():
            records = torch.is_grad_enabled()  # torch.no_grad() is six calls of Python's, and as many of C's
            torch._C._set_grad_enabled(False)
            try:
                self._step_all()
            finally:
                torch._C._set_grad_enabled(records)
        return loss

    _watched_step = torch.optim.Optimizer.profile_hook_step(_take_step)

    def _step_all(self) -> None:
        dense: list[tuple[Group, list[Parameter]]] = []
        has_dense = False
        for group in self.param_groups:
            rest, tables = self._split(group)
            if tables:
                self._check_group(group)
                self._step_tables(group, tables)
            dense.append((group, rest))
            has_dense = has_dense or bool(rest)
        if has_dense:
            self._step_dense(dense)

    def _split(self, group: Group) -> tuple[list[Parameter], list[Table]]:
        """Return the parameters of the group that have gradients: dense ones, and tables."""
        rest: list[Parameter] = []
        tables: list[Table] = []
        for p in group["params"]:
            ledger = ledger_of(p)
            if p.grad is None and not (ledger is not None and ledger.waiting):
                continue
            mine = self._tables.get(p)
            if mine is not None:
                if ledger is not mine:
                    raise OptimizerError(
                        f"A table of `{type(self).__name__}` (shape {tuple(p.shape)}) must be trained by one "
                        "plectrum optimizer at a time; another one has adopted it since. Make one optimizer "
                        "for it, or a new one when the old is done."
                    )
                tables.append((p, mine))
            elif p.grad.is_sparse or held_rows(p) is not None:
                tables.append((p, self._adopt(p, group)))
            else:
                rest.append(p)
        return rest, tables

    def _step_dense(self, dense: list[tuple[Group, list[Parameter]]]) -> None:
        """Let torch's optimizer step on the parameters that are no tables; it keeps its state in ours."""
        groups = [
            {**{k: v for k, v in group.items() if k not in {"params", "param_names"}}, "params": rest}
            for group, rest in dense
        ]
        if self._dense is None:
            placeholder = torch.nn.Parameter(torch.zeros(()))
            self._dense = self.dense_class([placeholder])
            self._dense_defaults = dict(self._dense.defaults)
        self._dense.param_groups = [{**self._dense_defaults, **self._dense_group(g)} for g in groups]
        self._dense.state = self.state  # one state for all, whoever keeps it
        for group in self._dense.param_groups:
            self._prepare_dense(group)
        self._dense.step()

    def _dense_group(self, group: Group) -> Group:
        """Return the group in the words of the dense optimizer."""
        return group

    def _prepare_dense(self, group: Group) -> None:
        """Make the state that the dense optimizer would have made in its constructor."""

    def _step_tables(self, group: Group, tables: Sequence[Table]) -> None:
        gradients = [_gradients.take(p, ledger) for p, ledger in tables]
        for (p, ledger), gradient in zip(tables, gradients, strict=True):
            ledger.check(p)
            if ledger.is_behind:
                if isinstance(gradient, RowGradient):
                    ledger.catch_up_for_update(p, gradient.ids)
                else:
                    ledger.catch_up_all(p)
        first, fits, parameters = [], [], []  # not before all have been found to be in order
        for p, ledger in tables:
            first.append(self._prepare_state(p, ledger, group))
            fits.append(self._fit(p, ledger))
            parameters.append(p)
        self._start_again(tables)
        # before the kernels, which leave the caches cold; after a step that fails it does no harm
        torch._C._increment_version(parameters)
        steps = self._advance(group, tables, first)
        compiled: dict[tuple[int, torch.dtype], tuple[Step, list[Work]]] = {}
        is_usual = not group.get("amsgrad")
        for (p, ledger), gradient, fit, step in zip(tables, gradients, fits, steps, strict=True):
            if not isinstance(gradient, RowGradient):
                self._update_all(p, gradient, step)
                continue
            weighed = gradient if ledger.occurred is None else self._weighed(p, ledger, gradient)
            if ledger.held is not None:
                weighed = weighed.without(ledger.held_of(p))
            if is_usual and fit.place.is_compiled:
                work = Work(fit, weighed, ledger.last, ledger.n_steps)
                compiled.setdefault((id(step), fit.place.dtype), (step, []))[1].append(work)
            else:
                self._update(p, weighed, step)
        for step, works in compiled.values():
            update_tables(works, step)

    def _fit(self, p: Parameter, ledger: Ledger) -> Fit:
        """See to it that table and state fit each other, and return where they lie."""
        place = ledger.place = place_of(p, ledger.place)
        names = STATES[self.rule]
        fit: Fit | None = ledger.fit
        if fit is None or not fit.holds(place, ledger.state, names):
            fit_states(p, ledger.state, self._state_names(), dim=self._dim_of_state(p))
            fit = ledger.fit = Fit.of(place, [ledger.state.get(name) for name in names])
        return fit

    def _dim_of_state(self, p: Parameter) -> int:
        """Return how many numbers of each state belong to a row."""
        return int(p.shape[1])

    def _weighed(self, p: Parameter, ledger: Ledger, gradient: RowGradient) -> RowGradient:  # noqa: ARG002
        """Return the gradient of a table whose lookups are counted, as this rule weighs its rows."""
        return gradient

    def _start_again(self, tables: Sequence[Table]) -> None:
        """Part the clocks of tables that sit this step out from those that go on; forget what is too long."""
        for _, ledger in tables:
            clock = ledger.series
            if clock is not None and clock.now - clock.start >= MEMORY:
                self._forget(clock)
        stepping = {id(ledger) for _, ledger in tables}
        if len(stepping) == len(self._tables):
            return
        clocks = {id(ledger.series): ledger.series for _, ledger in tables if ledger.series is not None}
        for clock in clocks.values():
            resting = [
                ledger
                for ledger in self._tables.values()
                if ledger.series is clock and id(ledger) not in stepping
            ]
            if resting:
                kept = clock.fork()
                for ledger in resting:
                    ledger.series = kept

    def _advance(self, group: Group, tables: Sequence[Table], first: Sequence[bool]) -> list[Step]:
        """Let these tables and their clocks go on by one; return the step of each, equal ones as one."""
        steps: dict[tuple[int, bool], Step] = {}
        advanced: set[int] = set()
        found = []
        for (_, ledger), is_first in zip(tables, first, strict=True):
            ledger.n_steps += 1
            step = steps.get((ledger.n_steps, is_first))
            if step is None:
                step = steps[ledger.n_steps, is_first] = self._step_of(group, ledger, is_first)
            if ledger.series is not None and id(ledger.series) not in advanced:
                advanced.add(id(ledger.series))
                ledger.series.advance(step)
            if ledger.files is not None:
                ledger.files.add_step(step[1:])
            found.append(step)
        return found

    def _forget(self, clock: Series) -> None:
        """Bring all rows that go by this clock up to date, so that it need not remember its past."""
        for p, ledger in self._tables.items():
            if ledger.series is clock:
                self._fit(p, ledger)
                ledger.catch_up_all(p)
                if ledger.files is not None:
                    ledger.files.restart(clock.now)
        clock.restart()

    def _update(self, p: Parameter, gradient: RowGradient, step: Step) -> None:
        """Step on the rows of a gradient with torch's operations."""
        ledger = self._tables[p]
        states = [self.state[p].get(name) for name in self._state_names()]
        rows = torch_ops.update(p.detach(), states, gradient.ids, gradient.written_out(), step)
        ledger.note_taken(rows)

    def _update_all(self, p: Parameter, gradient: Tensor, step: Step) -> None:
        """Step on every row, by a dense gradient."""
        ledger = self._tables[p]
        states = [self.state[p].get(name) for name in self._state_names()]
        rows, held = torch.arange(p.shape[0], device=p.device), ledger.held_of(p)
        if held is not None:
            rows = (~held).nonzero()[:, 0]
            gradient = gradient[rows]
        torch_ops.update(p.detach(), states, rows, gradient, step)
        ledger.note_complete()

    def _state_names(self) -> tuple[str, ...]:
        return STATES[self.rule]

    def _prepare_state(self, p: Parameter, ledger: Ledger, group: Group) -> bool:
        """Make the state of a table at its first step; return True if this is the first."""
        raise NotImplementedError

    def _step_of(self, group: Group, ledger: Ledger, is_first: bool) -> Step:
        """Return the numbers of the step that the table is about to take, or has just counted."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------- gradients

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or, with ``set_to_none=False``, let them be zero, as torch does."""
        if set_to_none and not torch._C._autograd._profiler_enabled():
            with torch._C.DisableTorchFunctionSubclass():
                self._forget_rows()
                for group in self.param_groups:
                    for p in group["params"]:
                        if p.grad is not None:
                            p.grad = None
            return
        same = () if set_to_none else [p for p, ledger in self._tables.items() if ledger.occurred is None]
        with gradients_of_zero(same), torch._C.DisableTorchFunctionSubclass():
            self._forget_rows()
            for p in () if set_to_none else self._tables:
                p.grad = None
            super().zero_grad(set_to_none)

    def _forget_rows(self) -> None:
        """Forget the gradients and lookups that the ledgers keep."""
        for ledger in self._tables.values():
            ledger.waiting.clear()
            if ledger.occurred is not None:
                ledger.occurred.clear()

    @never_in_graphs
    @torch.no_grad()
    def clip_grad_norm_(
        self, max_norm: float, norm_type: float = 2.0, *, error_if_nonfinite: bool = False
    ) -> Tensor:
        """Scale all gradients so that their norm, taken together, is at most `max_norm`; return the norm
        before.

        The numbers of `torch.nn.utils.clip_grad_norm_` on dense gradients: the gradients of a row that occurs
        more than once count by their sum.

        Parameters
        ----------
        max_norm : float
            The largest norm that is left alone.
        norm_type : float
            The p of the p-norm; ``float("inf")`` for the largest number.
        error_if_nonfinite : bool
            Raise when the norm is NaN or infinite.

        Returns
        -------
        Tensor
            The norm of all gradients before scaling, a scalar.
        """
        parameters = [p for group in self.param_groups for p in group["params"]]
        return _gradients.clip_norm(parameters, max_norm, norm_type, error_if_nonfinite)

    @never_in_graphs
    @torch.no_grad()
    def clip_grad_value_(self, clip_value: float) -> None:
        """Clamp every number of every gradient to [-clip_value, clip_value]; a row counts by its sum."""
        _gradients.clip_value([p for group in self.param_groups for p in group["params"]], clip_value)

    # ------------------------------------------------------------------------------------------ state

    @never_in_graphs
    def catch_up(self) -> None:
        """Bring every row of every table to the present step. Reading a table does this by itself."""
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            for p, ledger in self._tables.items():
                ledger.catch_up_all(p)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in the form of torch's dense optimizer of the same name, all rows up to date.

        Such a dict can be loaded by that optimizer too, and its own by this one.
        """
        self._settle()
        return super().state_dict()

    def _settle(self) -> None:
        """Bring rows and the written number of steps up to date."""
        self.catch_up()
        for p, ledger in self._tables.items():
            self._write_step(self.state.get(p, {}), ledger.n_steps)

    def _write_step(self, state: dict[str, Any], n_steps: int) -> None:
        if n_steps:
            state["step"] = torch.tensor(float(n_steps))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state that `state_dict` gave, of this class or of torch's dense optimizer."""
        self.catch_up()
        super().load_state_dict(state_dict)
        restore_states(self, self._tables, state_dict)
        for group in self.param_groups:
            for p in group["params"]:
                if p in self._tables:
                    del self._tables[p]
                    self._adopt(p, group)

    def __getstate__(self) -> dict[str, Any]:
        self._settle()
        plain = {k: v for k, v in self.__dict__.items() if k in _KEPT}
        return {**plain, "table_parameters": list(self._tables)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        tables = state.pop("table_parameters", None)
        super().__setstate__(state)
        if tables is not None:
            self._tables, self._waiting, self._dense = {}, set(), None
            known = {id(p) for p in tables}
            for group in self.param_groups:
                for p in group["params"]:
                    if id(p) in known:
                        self._adopt(p, group)


_N_NUMBERS = len(Step._fields) - 1  # all but the rule
_KEPT = ("defaults", "state", "param_groups", "absent_rows", "dense_below")
