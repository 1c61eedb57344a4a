"""A whole model: 26 columns of Zipf ids, a table each, three layers behind them, trained with exact AdamW.

    python benchmarks/engine/model.py [small] [large] [--rows 100000] [--large-rows 1000000] [--rounds 12]

The model is written once, as torch's users write it, and given its layer and its optimizer: torch's, or
plectrum's by a change of two import lines; and, for plectrum, with all tables in one call too
(`EmbeddingTables`). Peers: torch's dense AdamW (fused, its fastest), and `sparse=True` with SparseAdam for
the tables and Adam for the rest, which is another rule (rows outside the batch stand still, nothing decays):
its loss stands beside. All start from the same weights and see the same batches. First the losses of ours
and of dense AdamW are compared, step by step, on small tables; then over the steps that are timed.

`large`: plectrum and dense AdamW alone, each of whose steps goes through four times the tables' memory; the
two need 12 GB.
"""

import argparse
import gc

import numpy as np
import torch
from _turns import report, take_turns, write_line, zipf_ids

import plectrum.nn
import plectrum.optim

N_COLUMNS, DIM, BATCH = 26, 16, 4096
OPTIONS = {"lr": 1e-3, "weight_decay": 1e-2}


class Model(torch.nn.Module):
    """The rows of all columns, side by side, and three layers."""

    def __init__(self, embedding, n_rows, dim, **options):
        super().__init__()
        self.tables = torch.nn.ModuleList(embedding(n_rows, dim, **options) for _ in range(N_COLUMNS))
        self.head = head(dim)

    def forward(self, ids):
        rows = [table(ids[:, t]) for t, table in enumerate(self.tables)]
        return self.head(torch.cat(rows, dim=1)).squeeze(1)


class OneCall(torch.nn.Module):
    """The same, all tables looked up in one call."""

    def __init__(self, n_rows, dim):
        super().__init__()
        self.tables = plectrum.nn.EmbeddingTables({str(t): (n_rows, dim) for t in range(N_COLUMNS)})
        self.head = head(dim)

    def forward(self, ids):
        return self.head(self.tables(ids)).squeeze(1)


def head(dim):
    return torch.nn.Sequential(
        *(torch.nn.Linear(N_COLUMNS * dim, 512), torch.nn.ReLU()),
        *(torch.nn.Linear(512, 256), torch.nn.ReLU()),
        torch.nn.Linear(256, 1),
    )


class Both:
    """SparseAdam for the tables and Adam for the rest, which torch wants apart."""

    def __init__(self, model):
        tables = [table.weight for table in model.tables]
        self.parts = [
            torch.optim.SparseAdam(tables, lr=OPTIONS["lr"]),
            torch.optim.Adam(model.head.parameters(), lr=OPTIONS["lr"]),
        ]

    def step(self):
        for part in self.parts:
            part.step()

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()


def ours(n_rows, dim):
    model = Model(plectrum.nn.Embedding, n_rows, dim)
    return model, plectrum.optim.AdamW(model.parameters(), **OPTIONS)


def ours_in_one_call(n_rows, dim):
    model = OneCall(n_rows, dim)
    return model, plectrum.optim.AdamW(model.parameters(), **OPTIONS)


def dense(n_rows, dim):
    model = Model(torch.nn.Embedding, n_rows, dim)
    return model, torch.optim.AdamW(model.parameters(), fused=True, **OPTIONS)


def sparse(n_rows, dim):
    model = Model(torch.nn.Embedding, n_rows, dim, sparse=True)
    return model, Both(model)


CANDIDATES = {
    "plectrum": ours,
    "plectrum, one call": ours_in_one_call,
    "torch dense, fused": dense,
    "torch SparseAdam and Adam": sparse,
}


def start_alike(models):
    """Give all models the same weights: each parameter drawn from a seed of its own."""
    for model in models:
        with torch.no_grad():
            for k, parameter in enumerate(model.parameters()):
                generator = torch.Generator().manual_seed(k)
                parameter.normal_(0, 0.05 if parameter.dim() > 1 else 0.01, generator=generator)


def task(n_rows, n_rows_in_batch, n_batches, seed=0):
    """Return ids (n_batches, batch, 26) and labels drawn from a truth that gives each level a weight."""
    rng = np.random.default_rng(seed)
    columns = [zipf_ids(n_rows, n_rows_in_batch * n_batches, rng) for _ in range(N_COLUMNS)]
    ids = torch.stack(columns, dim=1).reshape(n_batches, n_rows_in_batch, N_COLUMNS)
    truth = torch.from_numpy(rng.normal(0, 0.7, (N_COLUMNS, n_rows)).astype(np.float32))
    scores = sum(truth[t][ids[:, :, t]] for t in range(N_COLUMNS))
    labels = torch.from_numpy(rng.random(scores.shape).astype(np.float32)) < torch.sigmoid(scores)
    return ids, labels.float()


def training(model, optimizer, ids, labels, losses):
    def train(k):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            model(ids[k % len(ids)]), labels[k % len(ids)]
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())

    return train


def prepared(names, n_rows, dim, ids, labels):
    """Return name -> what takes a step, and name -> the losses of its steps."""
    made = {name: CANDIDATES[name](n_rows, dim) for name in names}
    start_alike([model for model, _ in made.values()])
    losses = {name: [] for name in names}
    steps = {name: training(*made[name], ids, labels, losses[name]) for name in names}
    return steps, losses


def assert_same_losses(losses, tolerance):
    """Raise unless ours are those of torch's dense AdamW; return how far they are apart."""
    theirs = torch.stack(losses["torch dense, fused"])
    found = {}
    for name in (name for name in losses if name.startswith("plectrum")):
        found[name] = float((torch.stack(losses[name]) - theirs).abs().max())
        assert found[name] < tolerance, f"{name}: a loss is {found[name]:.1e} away from torch's"
    return found


def check():
    """200 steps on small tables; the losses of ours and of torch's dense AdamW must agree."""
    ids, labels = task(2000, 512, 200, seed=1)
    steps, losses = prepared(["plectrum", "plectrum, one call", "torch dense, fused"], 2000, 16, ids, labels)
    for k in range(200):
        for step in steps.values():
            step(k)
    found = assert_same_losses(losses, 1e-3)
    print(
        "losses of 200 steps differ from torch's by", {name: f"{value:.1e}" for name, value in found.items()}
    )


def compare(names, n_rows, rounds, steps_per_turn, behind):
    """Let these take turns, after `behind` steps of each, so that rows are behind."""
    ids, labels = task(n_rows, BATCH, behind + rounds * steps_per_turn)  # no batch comes twice
    steps, losses = prepared(names, n_rows, DIM, ids, labels)
    for k in range(behind):
        for step in steps.values():
            step(k)
    shifted = {name: (lambda k, step=step: step(behind + k)) for name, step in steps.items()}
    pairs = [
        (peer, name)
        for name in names
        for peer in names
        if name.startswith("plectrum") and peer.startswith("torch")
    ]
    seconds = take_turns(shifted, rounds, 0, steps_per_turn)
    found = report(f"26 tables of {n_rows:,} x {DIM} and three layers, batch {BATCH:,}", seconds, pairs)
    differ = max(assert_same_losses(losses, 1e-2).values())
    last = {name: round(float(torch.stack(values[-10:]).mean()), 5) for name, values in losses.items()}
    n_steps = len(losses[names[0]])
    print(f"  losses differ from torch's by {differ:.1e}; of the last 10 of {n_steps} steps: {last}")
    return found | {"loss": last, "losses_differ_by": differ, "steps_per_turn": steps_per_turn}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["small", "large"], help="small, large")
    for name, default in (("rows", 100_000), ("large-rows", 1_000_000), ("rounds", 12)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    check()
    results = []
    if "small" in asked.cases:
        results.append(compare(list(CANDIDATES), asked.rows, asked.rounds, 5, behind=30))
        gc.collect()
    if "large" in asked.cases:
        two = ["plectrum", "torch dense, fused"]
        results.append(compare(two, asked.large_rows, min(asked.rounds, 5), 2, behind=8))
    write_line("engine_model", results, seed=0, sizes=vars(asked))


if __name__ == "__main__":
    main()
