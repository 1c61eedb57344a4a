"""Training on pairs: pieces of a long text go to threads, the learning rate falls with the tokens seen."""

import os

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError
from plectrum.training._pair_plan import PairEpoch, PairListener, PairPlan
from plectrum.training._pair_report import PairReporter
from plectrum.training._pair_run import PairRun
from plectrum.training._pair_tables import PairTables


def train_pairs(
    tables: PairTables,
    tokens: NDArray[np.int32],
    counts: NDArray[np.int64],
    plan: PairPlan,
    *,
    n_words: int | None = None,
    n_jobs: int = -1,
    deterministic: bool = False,
    seed: int = 0,
    listener: PairListener | None = None,
) -> list[PairEpoch]:
    """Learn the vectors of keys from the keys around them; `tables` are changed in place.

    Parameters
    ----------
    tables : PairTables
    tokens : int32 (n,)
        Keys in [0, n_keys); -1 ends a sentence. May be a mapped file.
    counts : int64 (n_keys,)
        For the thinning of frequent keys and the choice of negatives.
    n_words : int, optional
        Words of the text as the user counts them, for the progress; all tokens when left out.
    n_jobs : int
        Threads; -1 means all cores. They write to the tables without locks, so that with more than one the
        result is not the same twice, unless `deterministic`.
    deterministic : bool
        The same bits for any number of threads. Skip-gram without subwords or hierarchical softmax divides
        the rows into two parts, whose pairs go to two threads in turn; all else then uses one.
    seed : int
        All chance.

    Raises
    ------
    ArgumentError
        The loss is no longer finite: the learning rate is too high.

    Notes
    -----
    Cost: reads every token once an epoch. Extra memory: 12 bytes per key, and a few hundred KiB per thread.
    """
    _check_size(tables)
    n_threads = n_threads_of(n_jobs)
    run = PairRun(tables, tokens, counts, plan, seed=seed, deterministic=deterministic, n_threads=n_threads)
    report = PairReporter(listener, plan, n_words or int(np.count_nonzero(tokens >= 0)))
    epochs = []
    for epoch in range(plan.epochs):
        run.train_epoch(epoch, report)
        if run.diverged:
            raise ArgumentError(
                f"Training left the finite numbers in epoch {epoch + 1} of {plan.epochs}: the loss is "
                f"{run.loss}. `learning_rate` {plan.learning_rate:g} is too high for this text of "
                f"{len(counts):,} words; pass a tenth of it."
            )
        epochs.append(report.end_epoch(run.loss, run.learning_rate(epoch, 1.0)))
    return epochs


def n_threads_of(n_jobs: int | None) -> int:
    """Return how many threads `n_jobs` means: None is one, -1 all cores, -2 all but one."""
    if n_jobs is None:
        return 1
    if n_jobs < 0:
        return max(1, (os.cpu_count() or 1) + 1 + n_jobs)
    if n_jobs == 0:
        raise ArgumentError("`n_jobs` must be a number of threads, or -1 for all cores; got 0. Pass 1.")
    return n_jobs


def _check_size(tables: PairTables) -> None:
    for table in (tables.inputs, tables.outputs):
        if len(table) >= 1 << 31:
            raise ArgumentError(
                f"A table of pair training must have fewer than 2**31 rows; got {len(table):,}. Raise "
                "min_count, or lower bucket."
            )
