"""Updates of rows with torch's operations: for any device, and where a compiled kernel is not worth its
call."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from plectrum.kernels.update._series import N_TERMS, AdamAbsence, AdamSeries, LinearSeries
from plectrum.kernels.update._step import Step

# largest share of an absence's movement that the series may leave out before a row is replayed
TOLERANCE = {torch.float64: 1e-11}
TOLERANCE_ELSE = 1e-7


def sum_by_row(ids: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct rows, ascending, and for each the sum of its gradients; see the reference."""
    rows, which = torch.unique(ids, return_inverse=True)
    if len(rows) == len(ids):
        return rows, values[torch.argsort(ids)]
    sums = torch.zeros((len(rows), values.shape[1]), dtype=values.dtype, device=values.device)
    return rows, sums.index_add_(0, which, values)


def update(table: Tensor, states: Sequence[Tensor | None], ids: Tensor, values: Tensor, step: Step) -> Tensor:
    """Take one optimizer step on the rows that occur in `ids`, in place; return those rows. See the
    reference."""
    kind = arithmetic(table.dtype)
    rows, g = sum_by_row(ids, values.to(kind))
    w = table[rows].to(kind)
    kept = [None if state is None else state[rows].to(kind) for state in states]
    apply_rule(w, kept, g, step)
    put_rows(table, rows, w)
    for state, part in zip(states, kept, strict=True):
        if state is not None and part is not None:
            state[rows] = part.to(state.dtype)
    return rows


def arithmetic(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype that tables of `dtype` are computed in: 16 bits are too few to add small steps in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def put_rows(table: Tensor, rows: Tensor, w: Tensor) -> None:
    """Write the rows back; into 16 bits they are rounded up or down at random, right on average."""
    table[rows] = w if table.dtype == w.dtype else round_at_random(w, table.dtype)


def round_at_random(w: Tensor, dtype: torch.dtype) -> Tensor:
    """Return w in a dtype of 16 bits, each number rounded up or down with the odds that keep its mean.

    Source: Gupta et al. 2015, "Deep Learning with Limited Numerical Precision", equation 1.
    """
    down = w.to(dtype)
    error = w - down.to(w.dtype)
    neighbour = torch.nextafter(down, torch.where(error > 0, torch.inf, -torch.inf).to(dtype))
    gap = (neighbour.to(w.dtype) - down.to(w.dtype)).abs()
    share = torch.where(gap > 0, error.abs() / gap, 0.0)
    chosen = torch.rand(w.shape, dtype=w.dtype, device=w.device) < share
    return torch.where(chosen & torch.isfinite(share), neighbour, down)


def apply_rule(w: Tensor, states: Sequence[Tensor | None], g: Tensor, step: Step) -> None:
    """Take one step of the rule on w and its states, in place; the formulas stand in the reference."""
    lr, decay = step.lr, step.weight_decay
    if step.maximize:
        g = -g
    if step.rule == "adamw":
        w.mul_(1 - lr * decay)
    elif decay:
        g = g.add(w, alpha=decay)
    if step.rule == "sgd":
        (b,) = states
        if b is not None:
            b.mul_(step.momentum).add_(g, alpha=1 - step.dampening)
            g = g.add(b, alpha=step.momentum) if step.nesterov else b
        w.add_(g, alpha=-lr)
        return
    if step.rule in {"adagrad", "rowwise_adagrad"}:
        (s,) = states
        assert s is not None
        s.add_(g * g if step.rule == "adagrad" else (g * g).mean(dim=1, keepdim=True))
        w.sub_(lr * g / (s.sqrt() + step.eps))
        return
    m, v = states[:2]
    assert m is not None
    assert v is not None
    m.lerp_(g, 1 - step.beta1)
    v.mul_(step.beta2).addcmul_(g, g, value=1 - step.beta2)
    if len(states) > 2 and states[2] is not None:  # amsgrad: the largest v so far
        v = torch.maximum(states[2], v, out=states[2])
    denominator = (v.sqrt() / step.correction2).add_(step.eps)
    w.addcdiv_(m, denominator, value=-lr / step.correction1)


def catch_up_adam(  # noqa: PLR0917
    table: Tensor, m: Tensor, v: Tensor, rows: Tensor, last: Tensor, series: AdamSeries
) -> None:
    """Bring distinct rows from their `last` steps to the present, in place. See `_series` for the formula."""
    kind = arithmetic(table.dtype)
    found = series.absence(last.cpu().numpy())

    def column(numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(table.device, kind).unsqueeze(-1)

    w, mean, square = table[rows].to(kind), m[rows], v[rows]
    root, middle = square.sqrt(), column(found.middle)
    slope = 1 / (root + middle)
    z = middle * slope
    again = _rows_to_replay(torch.where(mean == 0, 0, z), found, table.dtype)
    total = torch.zeros_like(root)
    for j in range(N_TERMS - 1, -1, -1):
        total = column(found.moments[j]) - z * total
    moved = column(found.decay) * w - mean * slope * total
    if again.numel():
        moved[again] = _replay(w[again], mean[again], root[again], last[again], series)
    put_rows(table, rows, moved)
    m[rows] = mean * column(found.shrink1)
    v[rows] = square * column(found.shrink2)


def _rows_to_replay(z: Tensor, found: AdamAbsence, dtype: torch.dtype) -> Tensor:
    """Return the positions of the rows for which the series does not converge."""
    rest = torch.from_numpy(found.rest).to(z.device)
    if not z.numel():
        return torch.empty(0, dtype=torch.int64)
    left_out = z.amax(dim=1).double() ** N_TERMS * rest
    return (left_out > TOLERANCE.get(dtype, TOLERANCE_ELSE)).nonzero()[:, 0]


def _replay(w: Tensor, mean: Tensor, root: Tensor, last: Tensor, series: AdamSeries) -> Tensor:
    """Return the rows after each step of their absence; at most a few hundred steps have any effect."""
    first = last.long().cpu().numpy() - series.start
    until = series.replayed_until(last.cpu().numpy()) - series.start
    w, factor1, factor2 = w.clone(), torch.ones_like(w[:, :1]), torch.ones_like(w[:, :1])
    for k in range(int(first.min()) + 1, int(until.max()) + 1):
        here = torch.from_numpy((first < k) & (k <= until)).to(w.device)
        rate, correction, decay, beta1, root2, eps = series.history[:, k]
        factor1[here] *= beta1
        factor2[here] *= root2
        step = rate * correction * factor1 * mean / (factor2 * root + eps * correction)
        w[here] = decay * w[here] - step[here]
    now = series.now - series.start
    rest = np.exp(series.log_decay[now] - series.log_decay[until])
    return w * torch.from_numpy(rest).to(w.device, w.dtype).unsqueeze(-1)


def catch_up_sgd(table: Tensor, b: Tensor | None, rows: Tensor, last: Tensor, series: LinearSeries) -> None:
    """Bring distinct rows from their `last` steps to the present, in place."""
    kind = arithmetic(table.dtype)
    matrix = torch.from_numpy(series.absence(last.cpu().numpy())).to(table.device, kind).unsqueeze(-1)
    w = table[rows].to(kind)
    if b is None:
        put_rows(table, rows, matrix[0, 0] * w)
        return
    kept = b[rows].to(kind)
    put_rows(table, rows, matrix[0, 0] * w + matrix[0, 1] * kept)
    b[rows] = (matrix[1, 0] * w + matrix[1, 1] * kept).to(b.dtype)
