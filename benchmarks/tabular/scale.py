"""The regressor on a column of a million levels and on small tables: its choice of steps against dense ones.

    python benchmarks/tabular/scale.py [--rounds 3]

Above two million numbers the estimators step their tables by rows (`plectrum.optim.AdamW`), below as a whole
(`torch.optim.AdamW`). Here the same rows are fitted in turn, with the choice as it is and with dense steps of
everything; the held-out losses must agree. Weights are not averaged in either, as with large tables.
"""

import argparse
import json
import os
import statistics
import subprocess
import warnings
from pathlib import Path

import numpy as np
import torch

import plectrum
from plectrum.errors import UnseenKeysWarning
from plectrum.tabular import _fitting

RESULTS = Path(__file__).parents[1] / "results" / "tabular_scale.jsonl"
AGREE = 0.02  # of the loss; the two round differently, some hundred steps long


def one_large_column(rng):
    """1,200,000 rows of one column, in which each of 1,000,000 levels occurs."""
    n_levels = 1_000_000
    levels = rng.permutation(np.concatenate([np.arange(n_levels), rng.integers(0, n_levels, 200_000)]))
    return levels[:, None], {"embedding_dim": 16, "batch_size": 4096, "epochs": 1}


def small_columns(rng):
    """60,000 rows of eight columns of 100 levels."""
    return rng.integers(0, 100, (60_000, 8)), {"epochs": 3}


CASES = {"one column of 1,000,000 levels": one_large_column, "8 columns of 100 levels": small_columns}
COMMIT = ["git", "rev-parse", "--short", "HEAD"]


def fit(columns, y, options, *, dense):
    """Return the seconds of the training alone, and its held-out loss."""
    own = _fitting._LARGE
    _fitting._LARGE = float("inf") if dense else own
    try:
        model = plectrum.EmbeddingRegressor(
            hidden=(64,),
            weight_averaging=0,
            categorical=list(range(columns.shape[1])),
            random_state=0,
            **options,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnseenKeysWarning)
            model.fit(columns, y)
    finally:
        _fitting._LARGE = own
    return sum(epoch["seconds"] for epoch in model.history_), model.best_loss_


def compare(title, make, rounds):
    rng = np.random.default_rng(0)
    columns, options = make(rng)
    y = np.sin(columns).sum(1) + rng.normal(size=len(columns))
    seconds, losses = {False: [], True: []}, {}
    for k in range(rounds):
        for dense in (False, True) if k % 2 else (True, False):
            spent, losses[dense] = fit(columns, y, options, dense=dense)
            seconds[dense].append(spent)
    assert abs(losses[True] - losses[False]) < AGREE * losses[True], losses
    own, dense = (statistics.median(seconds[which]) for which in (False, True))
    print(f"{title}: {own:.2f} s, dense {dense:.2f} s: {dense / own:.2f}x as fast; held-out loss "
          f"{losses[False]:.4f} and {losses[True]:.4f}")  # fmt: skip
    return {
        "case": title, "seconds": seconds[False], "dense_seconds": seconds[True], "ratio": dense / own,
        "loss": losses[False], "dense_loss": losses[True],
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    results = [compare(title, make, rounds) for title, make in CASES.items()]
    line = {
        "commit": subprocess.run(COMMIT, capture_output=True, text=True, check=False).stdout.strip(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "results": results,
    }  # fmt: skip
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
