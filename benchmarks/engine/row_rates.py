"""SGD with a rate for each row by its count, against one rate for all, each at its best: error and cost.

    python benchmarks/engine/row_rates.py [errors] [cost] [--epochs 3] [--seeds 3]

Two tables are trained on pairs, by minimising the squared error of the product of two rows plus their biases:
pairs of keys that follow Zipf's law and whose hidden vectors are known; ratings of MovieLens 100k; plays of
artists on Last.fm, in logarithms (the last two where ../shared/data is). Every rate of a grid is tried with
every optimizer and seed; the best is the one with the least mean error on a tenth of the pairs that chooses,
and what is printed is the error on another tenth. Row-wise Adagrad stands beside them. How much is gained
depends on the batch: in a large one a frequent row adds up many gradients, and what it can bear limits a rate
that is one for all.

The cost is that of a step on 40,960 Zipf ids in 500,000 rows of 64, and on 26 x 4,096 in as many tables.
"""

import argparse
import lzma
from pathlib import Path

import numpy as np
import torch
from _turns import report, take_turns, write_line, zipf_ids

import plectrum.nn
import plectrum.optim

DATA = Path(__file__).parents[3] / "shared" / "data" / "items"
GRIDS = {
    "one rate": (lambda m, lr: plectrum.optim.SGD(m, lr=lr), 2.0 ** np.arange(0, 5.5, 0.5)),
    "rates by count": (
        lambda m, lr: plectrum.optim.SGD(m, lr=lr, row_lr="by_count"),
        2.0 ** np.arange(3, 9, 0.5),
    ),
    "row-wise Adagrad": (lambda m, lr: plectrum.optim.RowwiseAdagrad(m, lr=lr), 2.0 ** np.arange(-5, 0, 0.5)),
}
DIM = 8


def zipf_pairs(n=60_000, n_rows=5_000, noise=0.3):
    rng = np.random.default_rng(0)
    odds = 1 / np.arange(1, n_rows + 1) ** 1.05
    left, right = (rng.choice(n_rows, n, p=odds / odds.sum()) for _ in range(2))
    hidden = rng.normal(0, DIM**-0.25, (2, n_rows, DIM))
    return left, right, (hidden[0][left] * hidden[1][right]).sum(axis=1) + rng.normal(0, noise, n)


def columns_of(name, of_target):
    with lzma.open(DATA / name, "rt", encoding="utf-8") as file:
        first = next(file)
        separator = "\t" if "\t" in first else ","
        skipped = int(not first.split(separator)[0].strip('"'))  # a column of row numbers has no name
        rows = [line.rstrip("\n").split(separator)[skipped : skipped + 3] for line in file]
    left, right, target = zip(*rows, strict=True)
    keys = (np.unique(side, return_inverse=True)[1] for side in (left, right))
    return *keys, of_target(np.array(target, float))


def sources():
    """Yield a title, the pairs, and the sizes of batch to train them with."""
    yield "pairs of Zipf keys", zipf_pairs(), (128, 512, 2048)
    for title, name, of_target in (
        ("MovieLens 100k, ratings", "ml-100k.inter.xz", np.asarray),
        ("Last.fm, log plays", "lastfm.csv.xz", np.log1p),
    ):
        if (DATA / name).exists():
            yield title, columns_of(name, of_target), (512, 2048)
        else:
            print(f"{title}: left out, {name} is not there")


class Products(torch.nn.Module):
    """The product of two rows, plus a number for each."""

    def __init__(self, n_left, n_right):
        super().__init__()
        self.rows = plectrum.nn.EmbeddingTables({"left": (n_left, DIM), "right": (n_right, DIM)})
        self.bias = plectrum.nn.EmbeddingTables({"left": (n_left, 1), "right": (n_right, 1)})
        for table in self.parameters():
            torch.nn.init.normal_(table, std=0.1 if table.shape[1] > 1 else 0.0)

    def forward(self, ids):
        left, right = self.rows(ids).chunk(2, dim=1)
        return (left * right).sum(dim=1) + self.bias(ids).sum(dim=1)


def error(model, ids, target):
    with torch.no_grad():
        return (model(ids) - target).square().mean().sqrt().item()


def errors(make, lr, pairs, batch_size, epochs, seed):
    """Train once; return the least error after an epoch on the pairs that choose, and that on the others."""
    left, right, target = pairs
    torch.manual_seed(seed)
    order = torch.randperm(len(target))
    ids, goal = torch.from_numpy(np.stack([left, right], axis=1)), torch.from_numpy(target).float()
    tenth = len(order) // 10
    choosing, judging, training = order[:tenth], order[tenth : 2 * tenth], order[2 * tenth :]
    goal = goal - goal[training].mean()
    model = Products(left.max() + 1, right.max() + 1)
    optimizer = make(model, lr)
    found = []
    for _ in range(epochs):
        for batch in training[torch.randperm(len(training))].split(batch_size):
            optimizer.zero_grad()
            loss = (model(ids[batch]) - goal[batch]).square().mean()
            loss.backward()
            optimizer.step()
        if not torch.isfinite(loss):
            return np.inf, np.inf
        found.append(tuple(error(model, ids[part], goal[part]) for part in (choosing, judging)))
    return min(found) if np.isfinite(found).all() else (np.inf, np.inf)


def compare(title, pairs, batch_size, epochs, seeds):
    print(f"\n{title}: {len(pairs[0]):,} pairs of {pairs[0].max() + 1:,} and {pairs[1].max() + 1:,} keys")
    print(f"  batches of {batch_size}")
    result = {"case": title, "batch": batch_size}
    for name, (make, grid) in GRIDS.items():
        rates = grid if name == "row-wise Adagrad" else grid * (batch_size / 512) ** 0.75
        tried = np.array(
            [
                [errors(make, float(lr), pairs, batch_size, epochs, seed) for seed in range(seeds)]
                for lr in rates
            ]
        )
        at = int(np.argmin(tried[:, :, 0].mean(axis=1)))
        judged = tried[at, :, 1]
        edge = " (the end of the grid)" if at in {0, len(rates) - 1} else ""
        middle, spread = float(np.median(judged)), float(np.ptp(judged))
        print(f"  {name:18s} rmse {middle:.4f} (spread {spread:.4f}) at lr {rates[at]:.3g}{edge}", flush=True)
        result[name] = {
            "rmse": round(middle, 4),
            "spread": round(spread, 4),
            "lr": round(float(rates[at]), 4),
        }
    return result


def cost(rng, n_tables, n_rows, n_ids, dim=64):
    ids = [torch.stack([zipf_ids(n_rows, n_ids, rng) for _ in range(n_tables)], dim=1) for _ in range(4)]
    slope = torch.randn(n_ids, n_tables * dim)
    calls = {}
    for name in ("one rate", "rates by count"):
        tables = plectrum.nn.EmbeddingTables({str(t): (n_rows, dim) for t in range(n_tables)})
        optimizer = GRIDS[name][0](tables, 0.1)

        def train(k, tables=tables, optimizer=optimizer):
            tables(ids[k % len(ids)]).backward(slope)
            optimizer.step()
            optimizer.zero_grad()

        calls[name] = train
    title = f"a step, {n_tables} x {n_rows:,} x {dim}, {n_ids:,} ids each"
    return report(title, take_turns(calls, 15, steps=5), [tuple(calls)[::-1]])


def check():
    """Raise unless a step moves rows by their counts."""
    layer = torch.nn.Embedding(5, 2, _weight=torch.zeros(5, 2))
    optimizer = plectrum.optim.SGD(layer, lr=1.0, row_lr="by_count")
    for _ in range(2):
        optimizer.zero_grad()
        layer(torch.tensor([1, 1, 3])).sum().backward()
        optimizer.step()
    expected = -torch.tensor([0, 2 / 2**0.5 + 2 / 4**0.5, 0, 1 + 1 / 2**0.5, 0])
    torch.testing.assert_close(layer.weight.detach()[:, 0], expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", default=["errors", "cost"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    check()
    results = []
    if "errors" in options.cases:
        results = [
            compare(title, pairs, batch_size, options.epochs, options.seeds)
            for title, pairs, sizes in sources()
            for batch_size in sizes
        ]
    if "cost" in options.cases:
        rng = np.random.default_rng(0)
        results += [cost(rng, 1, 500_000, 40_960), cost(rng, 26, 100_000, 4_096)]
    write_line("engine_row_rates", results, epochs=options.epochs, seeds=options.seeds, dim=DIM)
