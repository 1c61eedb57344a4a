"""The numbers of one optimizer step, and which state each rule keeps."""

from typing import NamedTuple

# rule -> its state arrays, in the order in which every implementation takes them; torch's names.
# All have the shape of the table, except RowwiseAdagrad's, which holds one number per row.
STATES = {
    "sgd": ("momentum_buffer",),
    "adagrad": ("sum",),
    "rowwise_adagrad": ("sum",),
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
}


class Step(NamedTuple):
    """The hyperparameters of one step of one rule; those that a rule has not are left as they are.

    ``correction1 = 1 - beta1**k`` and ``correction2 = sqrt(1 - beta2**k)`` for step number k, in double
    precision.
    """

    rule: str
    lr: float
    weight_decay: float = 0.0
    eps: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    correction1: float = 1.0
    correction2: float = 1.0
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    maximize: bool = False
