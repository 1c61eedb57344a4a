"""What an update of rows means, in NumPy: every other implementation is tested against this one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plectrum.kernels.update._step import Step

Array = NDArray[np.floating]
Ids = NDArray[np.int64]


def sum_by_row(ids: Ids, values: Array) -> tuple[Ids, Array]:
    """Return the distinct rows, ascending, and for each the sum of its gradients.

    ``sums[i] = sum(values[k] for k in range(n) if ids[k] == rows[i])``

    Parameters
    ----------
    ids : int64 array (n,)
    values : float array (n, embedding_dim)

    Returns
    -------
    rows : int64 array (n_distinct,)
    sums : float array (n_distinct, embedding_dim)

    Examples
    --------
    >>> import numpy as np
    >>> from plectrum.kernels.update.reference import sum_by_row
    >>> rows, sums = sum_by_row(np.array([7, 2, 7]), np.array([[1.0], [2.0], [3.0]]))
    >>> rows, sums[:, 0]
    (array([2, 7]), array([2., 4.]))
    """
    rows, which = np.unique(ids, return_inverse=True)
    sums = np.zeros((len(rows), values.shape[1]), values.dtype)
    np.add.at(sums, which, values)
    return rows, sums


def update(table: Array, states: Sequence[Array | None], ids: Ids, values: Array, step: Step) -> Ids:
    """Take one optimizer step on the rows that occur in `ids`, in place; return those rows, ascending.

    Gradients of a row that occurs more than once are summed first. With g the sum, w the row and the
    letters of `Step`:

    - sgd: ``g += weight_decay*w; b = momentum*b + (1 - dampening)*g; w -= lr*b`` (``lr*(g + momentum*b)``
      with nesterov; plain ``lr*g`` without momentum)
    - adagrad: ``s += g*g; w -= lr*g/(sqrt(s) + eps)``
    - rowwise_adagrad: ``s += mean(g*g); w -= lr*g/(sqrt(s) + eps)``, one s per row
    - adam: ``m += (1-beta1)*(g-m); v = beta2*v + (1-beta2)*g*g;
      w -= lr/correction1 * m/(sqrt(v)/correction2 + eps)``
    - adamw: ``w *= 1 - lr*weight_decay`` and then as adam; the other rules add ``weight_decay*w`` to g

    Parameters
    ----------
    table : float array (n_rows, embedding_dim)
    states : sequence of array
        In the order of ``STATES[step.rule]``: shape of the table, or (n_rows, 1) for rowwise_adagrad.
    ids : int64 array (n,)
    values : float array (n, embedding_dim)
    step : Step

    Source: torch.optim's formulas; row-wise Adagrad: Gupta, Tunkelang et al. as in FBGEMM,
    "EXACT_ROWWISE_ADAGRAD".
    """
    rows, g = sum_by_row(ids, values)
    w = table[rows]
    kept = [None if state is None else state[rows] for state in states]
    apply_rule(w, kept, g, step)
    table[rows] = w
    for state, part in zip(states, kept, strict=True):
        if state is not None:
            state[rows] = part
    return rows


def apply_rule(w: Array, states: Sequence[Array | None], g: Array, step: Step) -> None:
    """Take one step of the rule on w and its states, in place; g is the gradient, of the shape of w."""
    lr, decay = step.lr, step.weight_decay
    if step.maximize:
        g = -g
    if step.rule == "adamw":
        w *= w.dtype.type(1 - lr * decay)
    elif decay:
        g = g + w.dtype.type(decay) * w
    if step.rule == "sgd":
        (b,) = states
        if b is not None:
            b *= w.dtype.type(step.momentum)
            b += w.dtype.type(1 - step.dampening) * g
            g = g + w.dtype.type(step.momentum) * b if step.nesterov else b
        w -= w.dtype.type(lr) * g
        return
    if step.rule in {"adagrad", "rowwise_adagrad"}:
        (s,) = states
        assert s is not None
        s += g * g if step.rule == "adagrad" else (g * g).mean(axis=1, keepdims=True)
        w -= w.dtype.type(lr) * g / (np.sqrt(s) + w.dtype.type(step.eps))
        return
    m, v = states
    assert m is not None
    assert v is not None
    m += w.dtype.type(1 - step.beta1) * (g - m)
    v *= w.dtype.type(step.beta2)
    v += w.dtype.type(1 - step.beta2) * g * g
    denominator = np.sqrt(v) / w.dtype.type(step.correction2) + w.dtype.type(step.eps)
    w -= w.dtype.type(lr / step.correction1) * m / denominator


def catch_up(
    table: Array, states: Sequence[Array | None], rows: Ids, last: NDArray[np.integer], steps: Sequence[Step]
) -> None:
    """Take the steps that the rows were absent from, in place: the rule with a gradient of zero, one by one.

    Parameters
    ----------
    table, states
        As in `update`.
    rows : int64 array (n,)
        Distinct rows.
    last : integer array (n,)
        For each of these rows the number of the last step that it has taken; steps are numbered from 1.
    steps : sequence of Step
        All steps so far: ``steps[k - 1]`` is step number k.

    Cost: as many steps as a row was absent from. This is the definition; the other implementations use sums
    that are known in closed form (`plectrum.kernels.update._series`).
    """
    for row, taken in zip(rows, last, strict=True):
        w = table[row : row + 1]
        kept = [None if state is None else state[row : row + 1] for state in states]
        for step in steps[int(taken) :]:
            apply_rule(w, kept, np.zeros_like(w), step)
