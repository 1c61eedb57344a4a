"""Optimizers that know rows: the numbers of torch's dense optimizers, at a cost that follows the batch."""

from plectrum.optim._optimizers import Adagrad as Adagrad
from plectrum.optim._optimizers import Adam as Adam
from plectrum.optim._optimizers import AdamW as AdamW
from plectrum.optim._optimizers import RowwiseAdagrad as RowwiseAdagrad
from plectrum.optim._sgd import SGD as SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "RowwiseAdagrad"]
